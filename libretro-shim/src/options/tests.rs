use super::*;
use std::net::Ipv4Addr;

fn value(answers: &Answers, key: &str) -> Option<String> {
    let key = CString::new(key).unwrap();
    let value = answers.value(LinkKey::parse(&key)?)?;
    Some(value.to_str().unwrap().to_owned())
}

/// The address as the stock core puts it together: three digits a number, leading zeros dropped.
fn address_from_digits(answers: &Answers) -> Ipv4Addr {
    let octet = |first: u8| {
        let digits: String = (first..first + 3)
            .map(|n| value(answers, &format!("gambatte_gb_link_network_server_ip_{n}")).unwrap())
            .collect();
        digits.parse::<u8>().unwrap()
    };
    Ipv4Addr::new(octet(1), octet(4), octet(7), octet(10))
}

fn address_from_octets(answers: &Answers) -> Ipv4Addr {
    let octet = |n| {
        value(answers, &format!("gambatte_gb_link_network_server_ip_octet{n}"))
            .unwrap()
            .parse::<u8>()
            .unwrap()
    };
    Ipv4Addr::new(octet(1), octet(2), octet(3), octet(4))
}

#[test]
fn both_vocabularies_spell_the_same_address() {
    for ip in [
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(10, 205, 0, 39),
        Ipv4Addr::BROADCAST,
    ] {
        let answers = Answers::new(Some(SocketAddrV4::new(ip, 1)));
        assert_eq!(address_from_digits(&answers), ip);
        assert_eq!(address_from_octets(&answers), ip);
    }
}

#[test]
fn the_core_is_a_client_of_any_port() {
    for port in [1, 56400, 65535] {
        let answers = Answers::new(Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)));
        assert_eq!(
            value(&answers, "gambatte_gb_link_mode").unwrap(),
            "Network Client"
        );
        assert_eq!(
            value(&answers, "gambatte_gb_link_network_port").unwrap(),
            port.to_string()
        );
    }
}

#[test]
fn without_a_server_the_core_is_not_connected() {
    let answers = Answers::new(None);
    assert_eq!(value(&answers, "gambatte_gb_link_mode").unwrap(), "Not Connected");
}

#[test]
fn other_options_are_the_players_own() {
    for key in [
        c"gambatte_gb_colorization",
        c"gambatte_gb_link",
        c"gamelink_mode",
        c"",
        c"\xFF\xFE",
    ] {
        assert_eq!(LinkKey::parse(key), None, "{key:?}");
    }
}

#[test]
fn places_out_of_range_are_hidden_but_not_answered() {
    for key in [
        "ip_0",
        "ip_13",
        "ip_octet0",
        "ip_octet5",
        "ip_",
        "ip_octet",
        "ip_1x",
    ] {
        let key = CString::new(format!("gambatte_gb_link_network_server_{key}")).unwrap();
        assert_eq!(LinkKey::parse(&key), Some(LinkKey::Unknown), "{key:?}");
    }
}

fn stock() -> Declaration {
    let definition = |key: &CStr, category: Option<&CStr>| Definition {
        key: key.to_owned(),
        category_key: category.map(CStr::to_owned),
        ..Definition::default()
    };
    Declaration {
        categories: vec![Category {
            key: STOCK_CATEGORY.to_owned(),
            desc: None,
            info: None,
        }],
        definitions: vec![
            definition(c"gambatte_gb_colorization", None),
            definition(c"gambatte_show_gb_link_settings", None),
            definition(c"gambatte_gb_link_mode", Some(STOCK_CATEGORY)),
            definition(c"gambatte_gb_link_network_port", Some(STOCK_CATEGORY)),
            definition(c"gambatte_gb_link_network_server_ip_12", Some(STOCK_CATEGORY)),
            definition(c"gambatte_mix_frames", None),
        ],
    }
}

#[test]
fn the_menu_shows_our_link_options_in_place_of_the_stock_ones() {
    let mut declaration = stock();
    assert!(declaration.has_link());
    declaration.remove_link();
    declaration.add_own(Form::V2, &[]);
    let keys: Vec<_> = declaration
        .definitions
        .iter()
        .map(|d| d.key.to_str().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "gambatte_gb_colorization",
            "gambatte_mix_frames",
            "gamelink_mode",
            "gamelink_messages",
            "gamelink_silence",
            "gamelink_partner",
            "gamelink_lan",
            "gamelink_code_1",
            "gamelink_code_2"
        ]
    );
    let categories: Vec<_> = declaration
        .categories
        .iter()
        .map(|c| c.key.to_str().unwrap())
        .collect();
    assert_eq!(categories, ["gamelink"]);
    assert!(!declaration.has_link());
}

#[test]
fn machines_are_values_of_one_option_and_no_more_than_fit() {
    let mut declaration = Declaration::default();
    let names: Vec<_> = (0..200)
        .filter_map(|n| CString::new(format!("m{n}")).ok())
        .collect();
    declaration.add_own(Form::V2, &names);
    let partner = declaration
        .definitions
        .iter()
        .find(|of| *of.key == *PARTNER)
        .unwrap();
    let values: Vec<_> = partner
        .choices
        .iter()
        .map(|choice| choice.value.as_c_str())
        .collect();
    assert_eq!(values[..3], [ANYONE, c"m0", c"m1"]);
    assert_eq!(values.len(), MAX_NAMES + 1);
    assert_eq!(partner.default_value.as_deref(), Some(ANYONE));
}

#[test]
fn a_stock_category_that_still_holds_something_stays() {
    let mut declaration = stock();
    declaration.definitions[0].category_key = Some(STOCK_CATEGORY.to_owned());
    declaration.remove_link();
    assert_eq!(declaration.categories.len(), 1);
}

#[test]
fn the_oldest_form_gets_one_line_an_option() {
    let mut declaration = Declaration::default();
    declaration.add_own(Form::Variables, &[]);
    assert!(declaration.categories.is_empty());
    assert_eq!(
        declaration.definitions[0].desc.as_deref(),
        Some(c"Link mode; automatic|strict|off")
    );
}

#[test]
fn the_silence_to_wait_out_is_a_choice_of_ours_or_the_default() {
    let limit = |value: &CStr| silence_limit(Some(value)).as_secs();
    assert_eq!(SILENCES.map(|(value, _)| limit(value)), [10, 2, 30, 60]);
    assert_eq!(silence_limit(None), SILENCE_LIMIT);
    assert_eq!(
        limit(SILENCES[0].0),
        SILENCE_LIMIT.as_secs(),
        "the default is the bridge's"
    );
    for other in [c"", c"0", c"999999999999", c"ten", c"\xFF"] {
        assert_eq!(silence_limit(Some(other)), SILENCE_LIMIT);
    }
}
