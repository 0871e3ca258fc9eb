use super::*;

#[test]
fn an_address_that_we_write_is_read_as_ours() {
    let local: IpAddr = "fe80::17".parse().unwrap();
    let bytes = Request::add_address(IfIndex(5), local, local).finish(9);
    let mut seen = vec![];
    parse(&bytes, |sequence, message| seen.push((sequence, message)));
    let expected = Message::Address {
        index: IfIndex(5),
        local,
        partner: local,
        is_ours: true,
        is_like_ours: true,
        is_gone: false,
    };
    assert_eq!(seen, [(9, expected)]);
}

#[test]
fn the_former_name_of_an_interface_that_we_took_is_read_and_no_other() {
    let name = Name::new("enx52bedfac1066");
    let read = |request: Request| {
        let mut bytes = request.finish(1);
        bytes[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
        let mut found = None;
        parse(&bytes, |_, message| match message {
            Message::Link(link) => found = Some((link.name, link.former)),
            other => panic!("{other:?}"),
        });
        found.unwrap()
    };
    assert_eq!(
        read(Request::take(IfIndex(3), name)),
        (Name::new("gamelink%d"), Some(name))
    );
    assert_eq!(read(Request::give_back(IfIndex(3), name)), (name, None));
    assert_eq!(former(b"gamelink, was usb%d"), None);
    assert_eq!(former(b"the owner's"), None);
}

#[test]
fn damaged_messages_end_the_walk_without_harm() {
    let whole = Request::add_neighbour(IfIndex(5), "169.254.1.2".parse().unwrap(), Mac([2; 6])).finish(1);
    for len in 0..whole.len() {
        parse(&whole[..len], |_, _| panic!("cut at {len}"));
    }
    let mut random = 1u64;
    for _ in 0..100_000 {
        let mut bytes = whole.clone();
        for _ in 0..4 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (random >> 33) as usize % bytes.len();
            bytes[at] = (random >> 24) as u8;
        }
        parse(&bytes, |_, _| {});
    }
}
