//! The pure code alone: nanoseconds for one datagram written, one read, and one whole exchange of two bridges.

use gamelink_core::bridge::{Bridge, Input, Output};
use gamelink_core::protocol::{Header, MAX_DATAGRAM, Offer, Outcome, Verdict, Writer, decode};
use gamelink_core::serial::Speed;
use gamelink_core::time::LocalTime;
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What one operation costs.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// What.
    pub name: &'static str,
    /// Median of the batches, in nanoseconds.
    pub nanos: f64,
    /// The quickest batch.
    pub least_nanos: f64,
    /// Operations measured.
    pub count: u64,
}

const BATCHES: u64 = 101;

/// Measures in batches; the median is what a quiet moment gives.
fn cost(name: &'static str, batch: u64, mut operation: impl FnMut()) -> Cost {
    let mut times: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..batch {
                operation();
            }
            start.elapsed().as_nanos() as f64 / batch as f64
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    Cost {
        name,
        nanos: times.get(times.len() / 2).copied().unwrap_or_default(),
        least_nanos: times.first().copied().unwrap_or_default(),
        count: BATCHES * batch,
    }
}

/// All of it; takes about a second.
#[must_use]
pub fn run() -> Vec<Cost> {
    let mut buffer = [0; MAX_DATAGRAM];
    let len = write(&mut buffer);
    let datagram = buffer;
    let datagram = datagram.get(..len).unwrap_or_default();
    let mut wire = Pair::linked();
    let mut costs = vec![
        cost("write a datagram: header, one offer, one verdict", 2000, || {
            black_box(write(black_box(&mut buffer)));
        }),
        cost("read and check the same", 2000, || {
            let (header, events) = decode(black_box(datagram)).expect("what was just written");
            black_box((header, events.count()));
        }),
        cost(
            "a whole exchange of two bridges: request, offer, taken, verdict, frame",
            500,
            || {
                wire.exchange();
            },
        ),
    ];
    if let Some(whole) = costs.last() {
        let steps = wire.steps_of_an_exchange() as f64;
        costs.push(Cost {
            name: "one step of a bridge, the mean of those",
            nanos: whole.nanos / steps,
            least_nanos: whole.least_nanos / steps,
            count: whole.count,
        });
    }
    costs.push(cost("a frame boundary with nothing to do", 2000, || {
        wire.frame(0, true);
    }));
    costs
}

fn write(buffer: &mut [u8; MAX_DATAGRAM]) -> usize {
    let header = Header {
        from: 1,
        to: 2,
        sequence: 3,
        sent: 4,
        ..Header::default()
    };
    let mut writer = Writer::new(buffer, black_box(&header)).expect("a buffer of this size");
    writer.offers(std::iter::once(Offer {
        id: 7,
        byte: 0x29,
        speed: Speed::Normal,
        frame: 1000,
        judged: 7,
    }));
    writer.verdicts(std::iter::once(Verdict {
        id: 6,
        outcome: Outcome::Taken { byte: 0x55 },
    }));
    writer.finish()
}

/// Two bridges on a perfect wire in virtual time.
struct Pair {
    now: LocalTime,
    ends: [Bridge; 2],
    is_answered: bool,
    /// Inputs so far, each with all that it led to.
    steps: u64,
}

impl Pair {
    fn linked() -> Pair {
        let mut pair = Pair {
            now: LocalTime(1_000_000_000),
            ends: [Bridge::default(), Bridge::default()],
            is_answered: false,
            steps: 0,
        };
        for (side, nonce) in [(0, 11), (1, 22)] {
            pair.input(side, Input::Plug { nonce });
        }
        for _ in 0..200 {
            pair.pass();
            pair.frame(0, true);
            pair.frame(1, true);
        }
        assert!(pair.ends.iter().all(Bridge::is_linked), "a perfect wire links");
        pair
    }

    /// Side 0 clocks a byte, side 1 takes it at its next frame boundary.
    fn exchange(&mut self) {
        self.is_answered = false;
        self.input(
            0,
            Input::Request {
                byte: 0x29,
                speed: Speed::Normal,
                is_enabled: false,
            },
        );
        self.frame(1, true);
        assert!(self.is_answered, "a listening game answers");
        self.pass();
        self.frame(0, false);
    }

    fn frame(&mut self, side: usize, is_armed: bool) {
        self.input(side, Input::FrameEnd { has_advanced: true });
        let is_armed = Some(is_armed);
        self.input(
            side,
            Input::FrameStart {
                is_armed,
                port: gamelink_core::serial::GamePort::Loopback,
            },
        );
    }

    fn pass(&mut self) {
        self.now = self.now.after(Duration::from_millis(16));
        for side in 0..2 {
            self.ends[side].handle_timeout(self.now);
            self.drain(side);
        }
    }

    fn steps_of_an_exchange(&mut self) -> u64 {
        let before = self.steps;
        self.exchange();
        self.steps - before
    }

    fn input(&mut self, side: usize, input: Input<'_>) {
        self.steps += 1;
        self.ends[side].handle_input(self.now, input);
        self.drain(side);
    }

    /// Does what this side asks for; what it sends arrives at once.
    fn drain(&mut self, side: usize) {
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some(output) = self.ends[side].poll_output(self.now, &mut buffer) {
            match output {
                Output::Transmit { len } => {
                    let received = self.now;
                    let bytes = buffer.get(..len).unwrap_or_default();
                    self.input(1 - side, Input::Datagram { bytes, received });
                }
                Output::Deliver { .. } => self.input(side, Input::Reply { byte: 0x55 }),
                Output::Complete { byte } => self.is_answered = byte == 0x55,
                Output::Notify(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bridges_exchange_a_byte_whenever_asked() {
        let mut pair = Pair::linked();
        for _ in 0..10_000 {
            pair.exchange();
        }
    }
}
