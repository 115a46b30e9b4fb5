//! `latchkey clients`.

use serde_json::Value;

use crate::place::Place;

/// A directory whose database was made by a server that is gone.
fn served_once() -> Place {
    let place = Place::new();
    drop(place.serve());
    place
}

/// What a command that makes a secret prints: the id and the secret.
fn printed(out: &str) -> (String, String) {
    let (id, secret) = out.trim_end().split_once('\n').unwrap_or_else(|| panic!("{out}"));
    let value = |line: &str, name: &str| line.strip_prefix(name).unwrap_or_else(|| panic!("{out}")).to_owned();
    (value(id, "client_id="), value(secret, "client_secret="))
}

fn listed(place: &Place) -> Vec<Value> {
    let list = place.ok(&["clients", "list", "--json"]);
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_new_client_is_told_its_secret_once_and_nothing_keeps_it() {
    let place = served_once();

    let out = place.ok(&["clients", "create", "orders-api"]);

    let (id, secret) = printed(&out);
    assert_eq!((id.as_str(), secret.len(), &secret[..4]), ("orders-api", 47, "lkc_"));
    assert_eq!(out.lines().count(), 2);
    for list in [&["clients", "list"][..], &["clients", "list", "--json"]] {
        let list = place.ok(list);
        assert!(list.contains("orders-api") && !list.contains("lkc_"), "{list}");
    }
    let kept = std::fs::read_dir(place.path().join("data")).unwrap().map(|file| file.unwrap().path());
    let kept: Vec<u8> = kept.flat_map(|file| std::fs::read(file).unwrap()).collect();
    let holds = |text: &str| kept.windows(text.len()).any(|piece| piece == text.as_bytes());
    assert!(holds("orders-api") && !holds(&secret[4..]), "what is stored must be found");
}

#[test]
fn a_name_is_taken_once_and_free_again_after_its_client() {
    let place = served_once();
    let (_, first) = printed(&place.ok(&["clients", "create", "orders"]));

    place.run(&["clients", "create", "orders"]).assert_failed(1, "orders: there is a client of this name already");
    assert_eq!(place.ok(&["clients", "delete", "orders", "--yes"]), "orders: deleted\n");

    assert_eq!(listed(&place).len(), 0);
    let (_, second) = printed(&place.ok(&["clients", "create", "orders"]));
    assert_ne!(first, second);
}

#[test]
fn a_rotation_says_until_when_the_old_secret_counts() {
    let place = served_once();
    let (_, first) = printed(&place.ok(&["clients", "create", "orders"]));
    let before = listed(&place).remove(0);
    assert!(before["rotated_at"].is_null() && before["old_secret_until"].is_null(), "{before}");

    let (_, second) = printed(&place.ok(&["clients", "rotate", "orders"]));

    assert_ne!(first, second);
    let overlapping = listed(&place).remove(0);
    let rotated_at = overlapping["rotated_at"].as_str().unwrap();
    let until = overlapping["old_secret_until"].as_str().unwrap();
    assert_eq!(millis(until) - millis(rotated_at), 24 * 60 * 60 * 1000);
    assert_eq!(overlapping["created_at"], before["created_at"]);

    place.ok(&["clients", "rotate", "orders", "--overlap", "0s"]);
    assert!(listed(&place).remove(0)["old_secret_until"].is_null());
}

#[test]
fn a_second_rotation_that_would_end_the_secret_in_use_asks_back() {
    let place = served_once();
    place.ok(&["clients", "create", "orders"]);
    place.ok(&["clients", "rotate", "orders"]);
    let before = listed(&place);

    place.run(&["clients", "rotate", "orders"]).assert_failed(2, "a second rotation ends the secret");
    assert_eq!(listed(&place), before);

    place.ok(&["clients", "rotate", "orders", "--yes"]);
    assert_ne!(listed(&place), before);
    place.ok(&["clients", "rotate", "orders", "--overlap", "0s"]);
    place.ok(&["clients", "rotate", "orders"]);
}

#[actix_web::test]
async fn a_running_server_knows_of_every_change() {
    let place = Place::new();
    let server = place.serve();
    place.created(&["ada"]);
    let tokens = server.login("ada").await.unwrap();

    let first = printed(&place.ok(&["clients", "create", "orders"]));
    server.knows(&first, true).await;
    assert_eq!(server.introspect(&first, &tokens.access).await.unwrap()["username"], "ada");

    let second = printed(&place.ok(&["clients", "rotate", "orders"]));
    server.knows(&second, true).await;
    assert!(server.introspect(&first, "x").await.is_ok(), "the old one counts for a day");

    let third = printed(&place.ok(&["clients", "rotate", "orders", "--overlap", "0s"]));
    server.knows(&second, false).await;
    server.knows(&third, true).await;

    place.ok(&["clients", "delete", "orders", "--yes"]);
    server.knows(&third, false).await;
}

#[test]
fn a_list_is_in_the_order_of_the_ids() {
    let place = served_once();
    for name in ["zeta", "alpha", "0rders"] {
        place.ok(&["clients", "create", name]);
    }

    let table = place.ok(&["clients", "list"]);

    let ids: Vec<&str> = table.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
    assert_eq!(ids, ["ID", "0rders", "alpha", "zeta"]);
}

#[test]
fn what_is_no_client_and_no_overlap_is_a_wrong_argument_or_a_failure() {
    let place = served_once();
    place.ok(&["clients", "create", "orders"]);

    for arguments in [
        ["clients"].as_slice(),
        &["clients", "create"],
        &["clients", "create", "Orders"],
        &["clients", "create", "first-party"],
        &["clients", "create", "lkc_aaaaaaaa"],
        &["clients", "create", "other", "lkc_of-my-own"],
        &["clients", "rotate", "orders", "--overlap", "1"],
        &["clients", "rotate", "orders", "--overlap", "31d"],
        &["clients", "delete", "orders"],
    ] {
        let said = place.run(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{arguments:?}");
    }
    for arguments in [["clients", "rotate", "nobody"].as_slice(), &["clients", "delete", "nobody", "--yes"]] {
        place.run(arguments).assert_failed(1, "nobody: no such client");
    }
    assert!(listed(&place).remove(0)["rotated_at"].is_null());
}

#[test]
fn without_a_database_there_are_no_clients_and_none_is_made() {
    let place = Place::new();

    for arguments in [["clients", "create", "orders"].as_slice(), &["clients", "list"]] {
        place.run(arguments).assert_failed(1, "there is no database yet");
    }

    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

fn millis(time: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis()
}
