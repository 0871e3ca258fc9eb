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
