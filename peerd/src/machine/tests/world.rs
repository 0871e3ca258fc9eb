//! Two ends, a wire and two kernels in virtual time, with random faults: the link always comes up, and
//! nothing is left over.

use super::random::Random;
use crate::identity::{Identity, Instance, Mac, Name, Nonce};
use crate::machine::address_plan::{Failure, Plan};
use crate::machine::cable::{Cable, Config, Input, Output};
use crate::machine::carrier::{Action, LinkState};
use crate::machine::mac_repair::Seed;
use crate::machine::trust::{MachineId, Public};
use crate::wire::ethernet_frame::Frame;
use gamelink_core::time::LocalTime;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

const SAME: Mac = Mac([2, 0x11, 0x22, 0x33, 0x44, 0x55]);

/// State of one end's kernel, and its faults.
#[derive(Default)]
pub(super) struct Kernel {
    pub(super) exists: bool,
    pub(super) is_up: bool,
    pub(super) mac: Mac,
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) neighbours: BTreeMap<IpAddr, Mac>,
    pub(super) refuses_mac: bool,
    pub(super) no_v6: bool,
    /// It has a cable's name.
    pub(super) is_taken: bool,
    /// Requests that fail next, as with ENOBUFS or ENODEV.
    pub(super) failing: u32,
}

#[derive(Default)]
pub(super) struct End {
    pub(super) kernel: Kernel,
    pub(super) daemon: Option<Cable>,
    pub(super) is_told: bool,
    /// Title of this end's game, and of the far one as this end's game was told.
    pub(super) titles: [Name; 2],
    /// The game keeps a peer whose daemon fell silent.
    pub(super) is_held: bool,
    /// The two games are linked, whatever the daemons do.
    pub(super) never_lets_go: bool,
    /// It may be no cable.
    pub(super) is_uncertain: bool,
    pub(super) box_id: u64,
}

pub(super) struct World {
    pub(super) now: LocalTime,
    pub(super) random: Random,
    pub(super) ends: [End; 2],
    pub(super) wire: Vec<(LocalTime, usize, Frame)>,
    pub(super) is_plugged: bool,
    /// The driver reports a carrier only with the far end.
    pub(super) has_carrier_sense: bool,
    pub(super) loss_percent: u64,
    /// True if linked games go on without their daemons.
    pub(super) games_hold: bool,
    pub(super) next_instance: u64,
    pub(super) mac_changes: u32,
    /// Outputs performed so far: the points at which a fault can strike.
    pub(super) outputs: u32,
    pub(super) log: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut random = Random(seed);
        let mut ends = [End::default(), End::default()];
        for (n, end) in (1..).zip(&mut ends) {
            end.box_id = n;
            end.kernel.refuses_mac = random.one_in(4);
            end.kernel.no_v6 = random.one_in(4);
            end.is_uncertain = random.one_in(4);
        }
        World {
            now: LocalTime(0),
            has_carrier_sense: random.one_in(2),
            loss_percent: [0, 0, 5, 20][random.below(4) as usize],
            games_hold: true,
            random,
            ends,
            wire: vec![],
            is_plugged: false,
            next_instance: 1,
            mac_changes: 0,
            outputs: 0,
            log: vec![],
        }
    }

    pub(super) fn identity(&mut self, end: usize) -> Identity {
        self.next_instance += 1;
        let mut instance = [0; 16];
        instance[..8].copy_from_slice(&self.random.next().to_be_bytes());
        instance[8..].copy_from_slice(&self.next_instance.to_be_bytes());
        // Sometimes two machines draw the same, as clones can.
        if self.random.one_in(50) {
            instance = [7; 16];
        }
        Identity {
            instance: Instance(instance),
            nonce: Nonce(self.random.next()),
            box_id: self.ends[end].box_id,
            started_ms: self.now.0 / 1_000_000,
            name: Name::new(["ann", "bob"][end]),
            machine: MachineId::default(),
            public: Public::default(),
        }
    }

    pub(super) fn link_state(&self, end: usize) -> LinkState {
        let kernel = &self.ends[end].kernel;
        let far = &self.ends[1 - end].kernel;
        let far_carries = self.is_plugged && far.exists && far.is_up;
        LinkState {
            is_up: kernel.is_up,
            has_carrier: kernel.is_up && (far_carries || !self.has_carrier_sense),
        }
    }

    pub(super) fn start_daemon(&mut self, end: usize) {
        if self.ends[end].daemon.is_some() || !self.ends[end].kernel.exists {
            return;
        }
        let identity = self.identity(end);
        let kernel = &mut self.ends[end].kernel;
        // The daemon removes what carries its mark.
        kernel.addresses.clear();
        kernel.neighbours.clear();
        let config = Config {
            identity,
            seed: Seed {
                machine_id: b"cloned".to_vec(),
                hardware: vec![],
                usb_path: "1-1".into(),
            },
            is_certain: !self.ends[end].is_uncertain,
            is_taken: self.ends[end].is_uncertain && kernel.is_taken,
            may_raise: true,
            is_locked: false,
            recovers: !self.has_carrier_sense,
            has_v6: true,
        };
        self.ends[end].daemon = Some(Cable::new(self.now, config, self.ends[end].kernel.mac));
        self.offer_game(end);
        self.refresh();
    }

    /// A game waits, now and then another one than before.
    fn offer_game(&mut self, end: usize) {
        let title = Name::new(["RED", "BLUE"][self.outputs as usize % 2]);
        self.ends[end].titles[0] = title;
        let game = Input::Game {
            waiting: Some(title),
            holds: false,
        };
        self.input(end, game);
    }

    /// The game is told of the far one.
    fn tell(&mut self, end: usize) {
        let end = &mut self.ends[end];
        end.titles[1] = end.daemon.as_ref().map_or_else(Name::default, Cable::title);
    }

    pub(super) fn input(&mut self, end: usize, input: Input<'_>) {
        let now = self.now;
        let Some(daemon) = &mut self.ends[end].daemon else {
            return;
        };
        daemon.handle_input(now, input);
        self.drain(end);
    }

    pub(super) fn refresh(&mut self) {
        for end in 0..2 {
            if self.ends[end].kernel.exists {
                let (state, mac) = (self.link_state(end), self.ends[end].kernel.mac);
                self.input(end, Input::Link(state, mac));
            }
        }
    }

    pub(super) fn set_up(&mut self, end: usize, is_up: bool) {
        let kernel = &mut self.ends[end].kernel;
        if !is_up {
            kernel.neighbours.clear();
            let flushed: Vec<IpAddr> = kernel.addresses.iter().copied().filter(IpAddr::is_ipv6).collect();
            kernel.addresses.retain(IpAddr::is_ipv4);
            kernel.is_up = false;
            self.input(end, Input::Flapped);
            for address in flushed {
                if !self.ends[end].kernel.addresses.contains(&address) {
                    self.input(end, Input::AddressRemoved(address));
                }
            }
        }
        self.ends[end].kernel.is_up = is_up && self.ends[end].kernel.exists;
    }

    pub(super) fn drain(&mut self, end: usize) {
        let mut drained = 0;
        while let Some(output) = self.ends[end].daemon.as_mut().and_then(Cable::poll_output) {
            drained += 1;
            self.outputs += 1;
            assert!(drained < 200, "an end never comes to rest: {output:?}");
            let fails = self.ends[end].kernel.failing > 0;
            match output {
                Output::Send(frame) => {
                    let far = 1 - end;
                    let can = self.link_state(end).can_carry() && self.is_plugged;
                    if can && self.random.below(100) >= self.loss_percent {
                        let delay = Duration::from_micros(50 + self.random.below(2000));
                        self.wire.push((self.now.after(delay), far, frame));
                    }
                }
                Output::Carrier(action) => {
                    if action == Action::Cycle {
                        self.set_up(end, false);
                    }
                    self.set_up(end, true);
                    self.refresh();
                }
                Output::Look => self.input(end, Input::Usage(None)),
                Output::Raise => {
                    self.set_up(end, true);
                    self.refresh();
                }
                Output::Lower => {
                    self.set_up(end, false);
                    self.refresh();
                }
                Output::Take | Output::GiveBack => {
                    assert!(self.ends[end].is_uncertain);
                    // The rename.
                    self.set_up(end, false);
                    self.set_up(end, true);
                    let is_taken = output == Output::Take;
                    self.ends[end].kernel.is_taken = is_taken;
                    if is_taken {
                        self.input(end, Input::Taken(Ok(())));
                    }
                    self.refresh();
                }
                Output::SetMac(mac) => {
                    self.set_up(end, false);
                    let kernel = &mut self.ends[end].kernel;
                    let result = if kernel.refuses_mac { Err(()) } else { Ok(mac) };
                    if result.is_ok() {
                        kernel.mac = mac;
                        self.mac_changes += 1;
                    }
                    self.set_up(end, true);
                    self.input(end, Input::MacSet(result));
                    self.refresh();
                }
                Output::Install(plan) => {
                    let result = if fails {
                        self.ends[end].kernel.failing -= 1;
                        Err(Failure::Passing)
                    } else {
                        self.install(end, &plan)
                    };
                    self.input(end, Input::Installed(result));
                }
                Output::Remove(plan) => {
                    let kernel = &mut self.ends[end].kernel;
                    kernel.addresses.remove(&plan.local);
                    kernel.neighbours.remove(&plan.peer);
                }
                Output::PeerUp(..) => {
                    self.ends[end].is_told = true;
                    self.ends[end].is_held = false;
                    self.tell(end);
                }
                Output::PeerPlays => self.tell(end),
                Output::PeerDown(_, loss) => {
                    let state = &mut self.ends[end];
                    assert!(state.is_told || state.is_held, "down without up");
                    state.is_told = false;
                    let holds = state.never_lets_go || self.random.one_in(2);
                    state.is_held = loss.leaves_the_path() && self.games_hold && holds;
                    if !state.is_held {
                        self.let_go(end);
                    }
                }
                Output::Redraw => {
                    let identity = self.identity(end);
                    self.input(end, Input::Identity(identity));
                }
                Output::Report(_) => {}
            }
        }
    }

    /// The game leaves its peer.
    pub(super) fn let_go(&mut self, end: usize) {
        self.ends[end].is_held = false;
        self.offer_game(end);
    }

    /// Kills the daemon, as `kill -9` does.
    pub(super) fn kill(&mut self, end: usize) {
        self.ends[end].daemon = None;
        self.ends[end].is_told = false;
        self.ends[end].is_held = false;
    }

    pub(super) fn install(&mut self, end: usize, plan: &Plan) -> Result<(), Failure> {
        let kernel = &mut self.ends[end].kernel;
        if !kernel.is_up {
            return Err(Failure::Passing);
        }
        if plan.local.is_ipv6() && kernel.no_v6 {
            return Err(Failure::NoV6);
        }
        kernel.addresses.insert(plan.local);
        kernel.neighbours.insert(plan.peer, plan.peer_mac);
        Ok(())
    }

    /// Advances virtual time.
    pub(super) fn run(&mut self, span: Duration) {
        let end_time = self.now.after(span);
        let (start, mut turns) = (self.now, 0);
        loop {
            turns += 1;
            // More than a turn a millisecond, for long, is a busy loop.
            let allowed = 1000 + self.now.since(start).as_millis() as u64;
            assert!(
                turns < allowed,
                "busy: {:?}",
                self.ends.each_ref().map(|end| &end.daemon)
            );
            let next_frame = self.wire.iter().map(|(at, ..)| *at).min();
            let now = self.now;
            let due = |end: &End| end.daemon.as_ref().and_then(|daemon| daemon.poll_timeout(now));
            let timeouts = self.ends.iter().filter_map(due).min();
            let next = next_frame.into_iter().chain(timeouts).min().unwrap_or(end_time);
            if next >= end_time {
                self.now = end_time;
                return;
            }
            // Real polls wake a little late.
            self.now = self.now.max(next).after(Duration::from_micros(10));
            while let Some(at) = self.wire.iter().position(|(at, ..)| *at <= self.now) {
                let (_, end, frame) = self.wire.swap_remove(at);
                if self.is_plugged && self.ends[end].kernel.is_up {
                    self.input(end, Input::Frame(&frame, None));
                }
            }
            for end in 0..2 {
                self.input(end, Input::Timeout);
            }
        }
    }

    pub(super) fn plug(&mut self) {
        self.is_plugged = true;
        for end in 0..2 {
            let kernel = &mut self.ends[end].kernel;
            if !kernel.exists {
                kernel.exists = true;
                // Old usbnet drivers give every device the same.
                kernel.mac = SAME;
            }
            self.start_daemon(end);
        }
        self.refresh();
    }

    /// Unplugs one end: its interface goes, and the other sees it only if its driver can.
    pub(super) fn unplug(&mut self, end: usize) {
        self.input(end, Input::Gone);
        let end = &mut self.ends[end];
        end.daemon = None;
        end.kernel = Kernel {
            refuses_mac: end.kernel.refuses_mac,
            no_v6: end.kernel.no_v6,
            ..Kernel::default()
        };
        self.is_plugged = false;
        self.wire.clear();
        self.refresh();
    }

    pub(super) fn step(&mut self) {
        let end = self.random.below(2) as usize;
        let action = self.random.below(15);
        self.log.push(format!(
            "{:.3}s end {end} action {action}",
            self.now.0 as f64 / 1e9
        ));
        match action {
            0..=2 => self.plug(),
            3 => self.unplug(end),
            // The wire itself is cut.
            4 => {
                self.is_plugged = false;
                self.refresh();
            }
            5 => {
                let addresses = std::mem::take(&mut self.ends[end].kernel.addresses);
                for address in addresses {
                    self.input(end, Input::AddressRemoved(address));
                }
            }
            6 => {
                self.set_up(end, false);
                self.refresh();
            }
            7 => {
                self.set_up(end, true);
                self.refresh();
            }
            // A kill, and a new start soon.
            8 => self.kill(end),
            // A clean restart.
            9 => {
                let leaves_path = self.ends[end].is_told && self.random.one_in(2);
                self.input(end, Input::Stop { leaves_path });
                if leaves_path {
                    self.kill(end);
                } else if self.ends[end].daemon.take().is_some() {
                    assert!(!self.ends[end].is_told);
                    assert!(
                        self.ends[end].kernel.addresses.is_empty(),
                        "an address is left after a clean stop"
                    );
                }
                self.start_daemon(end);
            }
            10 => self.start_daemon(end),
            11 => self.ends[end].kernel.failing = self.random.below(4) as u32,
            // A bus hiccup: all frames in flight are lost.
            12 => self.wire.clear(),
            13 => self.let_go(end),
            _ => self.input(end, Input::Resumed),
        }
        let longest = if self.random.one_in(8) { 20_000 } else { 400 };
        let pause = self.random.below(longest);
        self.run(Duration::from_millis(pause));
    }

    fn run_until_linked(&mut self) {
        let deadline = self.now.after(Duration::from_secs(60));
        while self.now < deadline && !self.is_linked() {
            self.run(Duration::from_millis(100));
        }
    }

    /// Both ends agree, once plugged, started and left alone.
    pub(super) fn converge(&mut self) {
        self.plug();
        for end in 0..2 {
            self.set_up(end, true);
            self.ends[end].kernel.failing = 0;
        }
        self.refresh();
        self.run_until_linked();
        // The MAC may still be changing, and contested addresses are delayed.
        self.run(Duration::from_secs(26));
        // With one frame in five lost, a peer is sometimes given up.
        self.run_until_linked();
        assert!(self.is_linked(), "not linked");
        let plans: Vec<Plan> = self
            .ends
            .iter()
            .map(|end| end.daemon.as_ref().unwrap().assignment().unwrap().1)
            .collect();
        assert_eq!((plans[0].local, plans[0].peer), (plans[1].peer, plans[1].local));
        let macs = [0, 1].map(|end| self.ends[end].kernel.mac);
        let is_stuck = self.ends.iter().all(|end| end.kernel.refuses_mac);
        assert!(macs[0] != macs[1] || is_stuck, "the MACs stay equal");
        for (end, plan) in plans.iter().enumerate() {
            let kernel = &self.ends[end].kernel;
            assert_eq!(
                kernel.addresses,
                BTreeSet::from([plan.local]),
                "addresses of end {end}"
            );
            let expected = BTreeMap::from([(plan.peer, macs[1 - end])]);
            assert_eq!(kernel.neighbours, expected, "neighbours of end {end}");
            let [told, title] = [self.ends[end].titles[1], self.ends[1 - end].titles[0]];
            assert_eq!(told, title, "the far game as end {end} is told");
        }
    }

    pub(super) fn is_linked(&self) -> bool {
        self.ends
            .iter()
            .all(|end| end.is_told && end.daemon.as_ref().is_some_and(|of| of.assignment().is_some()))
    }
}
