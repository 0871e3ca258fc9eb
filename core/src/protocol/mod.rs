//! The datagrams between two bridges: a fixed header, then events.
//!
//! Fixed-size integers, little endian, at most [`MAX_DATAGRAM`] bytes; decoding borrows from the datagram and
//! never allocates. This module is the only place that names `bincode`.
//!
//! | offset | bytes | header field |
//! |---|---|---|
//! | 0 | 4 | magic `GBLC` |
//! | 4 | 2 | version |
//! | 6 | 2 | flags |
//! | 8 | 16 | session: the sender's nonce, the receiver's nonce (0: not known yet) |
//! | 24 | 16 | sequence of this datagram; highest sequence received from the other side |
//! | 40 | 24 | sender's clock as this left; the receiver's newest stamp; how long that was held (ns) |
//! | 64 | 12 | sender's emulated position: frames (8); how long its game rests (4, microseconds) |
//! | 76 | 4 | epoch |
//! | 80 | 8 | judged: the receiver's offers before this number have their verdicts at the sender |
//! | 88 | 8 | settled: the sender's own offers before this number have ended for good |
//! | 96 | 16 | the tag of a sealed datagram (module `seal`); else zeros |
//! | 112 | | events, each a 4-byte tag and its body, up to the end of the datagram |

mod event;
mod reader;
mod seal;
mod writer;

pub use event::{Event, Offer, OfferRun, Outcome, Position, ReplaceRun, Verdict, VerdictRun};
pub use reader::{DecodeError, Events, decode};
pub use seal::{Key, KeyError};
pub use writer::Writer;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

/// The longest datagram: stays under the 1232 bytes that IPv6's minimum MTU leaves for UDP (RFC 8200, section
/// 5).
pub const MAX_DATAGRAM: usize = 1200;

/// Length of the header in bytes; a hello is a header alone.
pub const HEADER_LEN: usize = 112;

/// First bytes of every datagram.
pub const MAGIC: [u8; 4] = *b"GBLC";

/// The version of the protocol that this build speaks.
pub const VERSION: u16 = 3;

/// No count of transfers reaches this: a thousand a second for 146 million years. What follows a count can
/// still be written.
const COUNT_LIMIT: u64 = 1 << 62;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<MAX_DATAGRAM>> = bincode::config::standard()
    .with_little_endian()
    .with_fixed_int_encoding()
    .with_limit::<MAX_DATAGRAM>();

/// States of the sender that are either so or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct Flags(u16);

impl Flags {
    /// The game's serial port waits for the other side's clock.
    pub const ARMED: Flags = Flags(1);
    /// No frame has been emulated for a while: a menu, a pause.
    pub const PAUSED: Flags = Flags(1 << 1);
    /// The sender can roll back: its peer may replace what it has sent.
    pub const ROLLBACK: Flags = Flags(1 << 3);
    /// The sender waits a little for each verdict on its offers, so the other's listening game should stay in
    /// its poll for the next; only where both sides roll back.
    pub const RENDEZVOUS: Flags = Flags(1 << 4);
    /// The sender's core tells the time inside its frames; only where it can roll back.
    pub const CLOCK: Flags = Flags(1 << 5);
    /// The events are sealed with a key.
    pub const SEALED: Flags = Flags(1 << 6);
    /// The sender unplugs: the last datagram of its session.
    pub const GOODBYE: Flags = Flags(1 << 2);

    /// These flags and `other`, if `condition` holds.
    #[must_use]
    pub fn with(self, other: Flags, condition: bool) -> Flags {
        if condition { Flags(self.0 | other.0) } else { self }
    }

    /// True if all of `other` are set; bits without a meaning yet are ignored.
    #[must_use]
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One side's random number for a session; 0 for one that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct Nonce(pub u64);

impl Nonce {
    /// The number of nobody.
    pub const NONE: Nonce = Nonce(0);
}

/// Number of a datagram among its sender's, from 1; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The number before the first.
    pub const NONE: Sequence = Sequence(0);

    /// The number behind this one; it saturates.
    #[must_use]
    pub fn next(self) -> Sequence {
        Sequence(self.0.saturating_add(1))
    }
}

/// Header of every datagram: the state of its sender. See the module for the byte layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct Header {
    /// States of the sender.
    pub flags: Flags,
    /// The sender's random number for this session; never 0.
    pub from: Nonce,
    /// The receiver's random number as the sender knows it; 0 while it does not.
    pub to: Nonce,
    /// Number of this datagram, from 1.
    pub sequence: Sequence,
    /// Highest sequence received from the other side; 0 for none.
    pub acknowledged: Sequence,
    /// The sender's clock as this left, in nanoseconds.
    pub sent: u64,
    /// The receiver's own stamp from the newest datagram the sender has of it; 0 for none.
    pub echo: u64,
    /// Nanoseconds between the arrival of that datagram and the departure of this one.
    pub held: u64,
    /// Frames that the sender has emulated since its start, and those in which its game stood still for what
    /// the receiver had to say.
    pub frames: u64,
    /// A frame in which the sender's game clocked is over, and the next begins in so many microseconds, as
    /// far as the sender knows: no byte comes before that. 0 where nothing is known.
    pub rest: u32,
    /// Counts the sender's replaced histories, modulo 2^32; 0 in strict mode.
    pub epoch: u32,
    /// The receiver's offers before this number have their verdicts at the sender.
    pub judged: u64,
    /// The sender's own offers before this number have ended for good: its game has read what became of them,
    /// or was told that they were given up.
    pub settled: u64,
    /// Tag of a sealed datagram; zeros before it is sealed and after it was opened.
    pub authenticator: [u8; 16],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serial::Speed;
    use crate::time::{Chunk, Part};

    fn header() -> Header {
        Header {
            from: Nonce(7),
            to: Nonce(8),
            sequence: Sequence(3),
            frames: 99,
            settled: 4,
            judged: 5,
            ..Header::default()
        }
    }

    fn offer(id: u64, frame: u64) -> Offer {
        let byte = id.to_le_bytes()[0];
        Offer {
            id,
            byte,
            speed: Speed::Fast,
            frame,
            chunk: id.to_le_bytes()[0].checked_sub(6).map(Chunk::new),
            part: id.to_le_bytes()[0].checked_sub(9).and_then(Part::new),
            lead: -7,
            judged: 2 + id / 3,
            since_take: (id > 9).then_some(2000),
            called: (id > 9).then_some(10),
        }
    }

    #[test]
    fn a_hello_is_a_header_alone() {
        let mut buffer = [0; MAX_DATAGRAM];
        let len = Writer::new(&mut buffer, &header()).unwrap().finish();
        assert_eq!(len, HEADER_LEN);
        let (decoded, mut events) = decode(&buffer[..len]).unwrap();
        assert_eq!((decoded, events.next()), (header(), None));
    }

    #[test]
    fn runs_of_offers_and_verdicts_survive_the_wire() {
        let offers: Vec<_> = (10..126).map(|id| offer(id, 1000 + id * 3)).collect();
        let verdicts: Vec<_> = (0..150)
            .map(|id| Verdict {
                id,
                outcome: match (id % 9, id.to_le_bytes()[0]) {
                    (0, _) => Outcome::Refused,
                    (1, byte) => Outcome::Paired { byte },
                    (_, byte) => Outcome::Taken { byte },
                },
            })
            .collect();
        let mut buffer = [0; MAX_DATAGRAM];
        let mut writer = Writer::new(&mut buffer, &header()).unwrap();
        assert_eq!(writer.verdicts(verdicts.iter().copied()), 150);
        assert_eq!(writer.offers(offers.iter().copied()), 116);
        let len = writer.finish();
        let (_, events) = decode(&buffer[..len]).unwrap();
        let (mut seen_offers, mut seen_verdicts) = (vec![], vec![]);
        for event in events {
            match event {
                Event::Offers(run) => seen_offers.extend(run),
                Event::Verdicts(run) => seen_verdicts.extend(run),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen_offers, offers);
        assert_eq!(seen_verdicts, verdicts);
    }

    #[test]
    fn events_have_the_bytes_that_their_runs_describe() {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut writer = Writer::new(&mut buffer, &header()).unwrap();
        // The fourth is too far from the third, the last has a number of its own.
        let offers = [(5, 258), (6, 260), (7, 260), (8, 516), (10, 516)];
        assert_eq!(
            writer.offers(offers.into_iter().map(|(id, frame)| offer(id, frame))),
            5
        );
        let outcomes = [
            Outcome::Taken { byte: 0x29 },
            Outcome::Refused,
            Outcome::Paired { byte: 0x55 },
        ];
        let verdicts = (9..).zip(outcomes).map(|(id, outcome)| Verdict { id, outcome });
        assert_eq!(writer.verdicts(verdicts), 3);
        assert_eq!(writer.replaces([(3, 700), (4, 400)].into_iter()), 2);
        let position = Position {
            incarnation: 1,
            received: 2,
            frame: 77,
            settled_frame: 70,
            lead: -7,
            announced: Some(0x77),
            ..Position::default()
        };
        assert!(writer.position(position));
        let len = writer.finish();
        let number = |number: u64| number.to_le_bytes().to_vec();
        let lead = (-7_i64).cast_unsigned();
        let run = |tag: u8, numbers: &[u64], option: &[u8], entries: &[u8]| {
            [
                vec![tag, 0, 0, 0],
                numbers.iter().copied().flat_map(number).collect(),
                option.to_vec(),
                number(entries.len() as u64),
                entries.to_vec(),
            ]
            .concat()
        };
        let replaces = [
            vec![3, 0, 0, 0],
            vec![3, 0, 0, 0],
            number(400),
            number(4),
            vec![44, 1, 0, 0],
        ]
        .concat();
        let position = [
            vec![2, 0, 0, 0, 1],
            vec![0; 11],
            number(2),
            number(0),
            number(77),
            number(70),
            number(lead),
            vec![1, 0x77],
        ]
        .concat();
        let expected = [
            run(
                0,
                &[5, 258, 3, lead],
                &[0, 0],
                &[5, 1, 0, 0, 0, 6, 3, 0, 2, 1, 7, 5, 0, 0, 0],
            ),
            run(0, &[8, 516, 4, lead], &[0, 0], &[8, 7, 0, 0, 0]),
            run(
                0,
                &[10, 516, 5, lead],
                &[1, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xD0, 7],
                &[10, 11, 2, 0, 0],
            ),
            run(1, &[9], &[], &[0, 0x29, 1, 0, 2, 0x55]),
            replaces,
            position,
        ];
        assert_eq!(buffer[HEADER_LEN..len], expected.concat());
    }

    #[test]
    fn what_timelines_say_survives_the_wire() {
        let position = Position {
            incarnation: 3,
            peer_incarnation: 4,
            peer_epoch: 5,
            received: 6,
            sent: 7,
            frame: 8,
            settled_frame: 7,
            lead: -9,
            announced: Some(0x55),
        };
        let replaces: Vec<_> = (0..32).map(|n| (9 + n, 1_000_000 - 7 * u64::from(n))).collect();
        let mut buffer = [0; MAX_DATAGRAM];
        let mut writer = Writer::new(&mut buffer, &header()).unwrap();
        assert!(writer.position(position));
        assert_eq!(writer.replaces(replaces.iter().copied()), 32);
        let len = writer.finish();
        let (_, events) = decode(&buffer[..len]).unwrap();
        let (mut seen_replaces, mut seen_position) = (vec![], None);
        for event in events {
            match event {
                Event::Position(position) => seen_position = Some(position),
                Event::Replaces(run) => seen_replaces.extend(run),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((seen_position, seen_replaces), (Some(position), replaces));
    }

    #[test]
    fn what_does_not_fit_is_left_for_the_next_datagram() {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut writer = Writer::new(&mut buffer, &header()).unwrap();
        let written = writer.offers((0..1000).map(|id| offer(id, id * 1000)));
        let len = writer.finish();
        let (_, events) = decode(&buffer[..len]).unwrap();
        let seen = events
            .map(|e| {
                if let Event::Offers(run) = e {
                    run.count()
                } else {
                    0
                }
            })
            .sum::<usize>();
        assert_eq!(seen, written);
        assert!(written > 10 && written < 1000);
    }

    #[test]
    fn the_largest_numbers_can_be_written() {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut writer = Writer::new(&mut buffer, &header()).unwrap();
        let verdicts = [u64::MAX - 1, u64::MAX].map(|id| Verdict {
            id,
            outcome: Outcome::Refused,
        });
        assert_eq!(writer.verdicts(verdicts.into_iter()), 2);
        assert_eq!(writer.replaces([(u32::MAX, 5)].into_iter()), 1);
        assert_eq!(writer.offers([offer(u64::MAX, 1)].into_iter()), 1);
    }

    #[test]
    fn another_version_is_told_from_noise() {
        let mut buffer = [0; MAX_DATAGRAM];
        let len = Writer::new(&mut buffer, &header()).unwrap().finish();
        buffer[4] = 9;
        assert_eq!(decode(&buffer[..len]).unwrap_err(), DecodeError::Version(9));
        assert_eq!(decode(b"GBL").unwrap_err(), DecodeError::Malformed);
        assert_eq!(decode(&[0; 1500]).unwrap_err(), DecodeError::Malformed);
    }

    #[test]
    fn counts_that_no_machine_reaches_are_malformed() {
        for (judged, settled) in [(COUNT_LIMIT + 1, 0), (0, u64::MAX)] {
            let header = Header {
                judged,
                settled,
                ..header()
            };
            let mut buffer = [0; MAX_DATAGRAM];
            let len = Writer::new(&mut buffer, &header).unwrap().finish();
            assert_eq!(decode(&buffer[..len]).unwrap_err(), DecodeError::Malformed);
        }
    }

    #[test]
    fn every_cut_of_a_datagram_is_malformed_or_shorter() {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut writer = Writer::new(&mut buffer, &header()).unwrap();
        writer.offers([offer(1, 1)].into_iter());
        let len = writer.finish();
        for cut in 0..len {
            assert_eq!(decode(&buffer[..cut]).is_ok(), cut == HEADER_LEN, "{cut}");
        }
    }
}
