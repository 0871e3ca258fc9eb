use super::*;
use serde_json::{Value, json};

/// Removes one key, the `n`th in the order of a walk; false if there are fewer.
fn remove(value: &mut Value, n: &mut usize) -> bool {
    match value {
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            // Another version may lack these, a LAN its time, and a cable the title of the game there.
            let newer = ["p999", "mean", "corrections", "transport", "machine", "known"];
            let is_optional = |key: &str| {
                newer.contains(&key)
                    || (key == "up_ms" && map.contains_key("machines"))
                    || (key == "title" && map.contains_key("mac"))
            };
            let keys: Vec<_> = keys.into_iter().filter(|key| !is_optional(key)).collect();
            let mut keys = keys.iter();
            keys.any(|key| {
                *n -= 1;
                (*n == 0 && map.remove(key).is_some()) || (*n > 0 && remove(&mut map[key], n))
            })
        }
        Value::Array(values) => values.iter_mut().any(|value| remove(value, n)),
        _ => false,
    }
}

fn full() -> Status {
    let machine = MachineStatus {
        name: "den".into(),
        instance: "01020304".into(),
        address: "[fe80::1%3]:56401".parse().unwrap(),
        has_game: true,
        title: "TETRIS".into(),
        is_same_game: true,
        is_paired: true,
        is_open: false,
        is_taken: false,
        round_trip_us: Some(1),
        is_linked: true,
    };
    let cable = CableStatus {
        state: CableState::NoCarrier,
        local: Some("fe80::1".parse().unwrap()),
        peer: Some(PeerStatus::default()),
        ..CableStatus::default()
    };
    let game = GameStatus {
        report: Some(LinkReport::default()),
        ..GameStatus::default()
    };
    Status {
        cables: vec![cable],
        lans: vec![LanStatus {
            interface: "eth0".into(),
            up_ms: Some(1),
            machines: vec![machine],
            waits_for: Some("den".into()),
            is_open: false,
            pairing: PairingStatus::WantsCode {
                name: "den".into(),
                was_wrong: false,
            },
        }],
        games: vec![game],
        ..Status::default()
    }
}

#[test]
fn a_status_is_read_as_it_was_written_and_not_without_any_of_its_keys() {
    let status = full();
    let whole = serde_json::to_value(&status).unwrap();
    assert_eq!(serde_json::from_value::<Status>(whole.clone()).unwrap(), status);
    for n in 1.. {
        let mut value = whole.clone();
        if !remove(&mut value, &mut n.clone()) {
            assert!(n > 70, "{n} keys");
            break;
        }
        assert!(
            serde_json::from_value::<Status>(value.clone()).is_err(),
            "{value}"
        );
    }
}

#[test]
fn scripts_find_the_keys_of_a_cable_side_by_side() {
    let value = serde_json::to_value(full()).unwrap();
    let cable = &value["cables"][0];
    assert_eq!(
        (&cable["interface"], &cable["mac_repair"], &cable["state"]),
        (&json!(""), &json!("none needed"), &json!("no carrier"))
    );
    assert_eq!(CableState::NoCarrier.to_string(), "no carrier");
    assert_eq!(MacRepair::Refused.to_string(), "refused by the driver");
}
