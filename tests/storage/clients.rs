//! Clients with a secret: what the operations do, and how a server hears of them.

use std::time::Duration;

use latchkey::clients::{ClientId, ClientSecret, Clients, Proof, RegisteredClient};
use latchkey::clock::Timestamp;
use latchkey::storage::{ClientOperation, ClientOutcome};

use crate::database::{Database, usual_rules};
use crate::engine::Engine;

every_engine![
    a_client_is_added_once_and_the_second_of_its_name_changes_nothing,
    a_rotation_keeps_one_secret_from_before_for_its_time,
    a_rotation_without_an_overlap_ends_every_secret_from_before,
    a_client_that_was_deleted_is_nobody,
    what_is_refused_commits_nothing,
    a_later_process_finds_the_clients,
    a_client_of_another_process_is_news_and_so_is_its_end,
    a_row_that_is_no_client_is_left_out,
];

const HOUR: Duration = Duration::from_secs(3600);

fn id(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

fn creation(name: &str, secret: &ClientSecret) -> ClientOperation {
    ClientOperation::Create { id: id(name), secret: secret.hash() }
}

fn rotation(name: &str, secret: &ClientSecret, overlap: Duration) -> ClientOperation {
    ClientOperation::Rotate { id: id(name), secret: secret.hash(), overlap }
}

fn secret() -> ClientSecret {
    ClientSecret::generate().unwrap()
}

fn change(db: &Database, operation: ClientOperation) -> ClientOutcome {
    db.wait(db.storage.change_clients(vec![operation])).unwrap().outcomes.remove(0).unwrap()
}

fn all(db: &Database) -> Vec<RegisteredClient> {
    db.wait(db.storage.clients()).unwrap()
}

fn is_proven(db: &Database, name: &str, secret: &ClientSecret, at: Timestamp) -> bool {
    let clients = Clients::default();
    clients.replace(all(db));
    clients.check(name, secret.expose(), at) == Proof::Proven(id(name))
}

fn a_client_is_added_once_and_the_second_of_its_name_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::at_rest(usual_rules(), engine);
    let (first, second) = (secret(), secret());

    assert_eq!(change(&db, creation("orders", &first)), ClientOutcome::Created);
    assert_eq!(change(&db, creation("orders", &second)), ClientOutcome::Taken);

    let now = db.clock.now();
    let expected =
        RegisteredClient { id: id("orders"), secret: first.hash(), former: None, created_at: now, rotated_at: None };
    assert_eq!(all(&db), [expected]);
}

fn a_rotation_keeps_one_secret_from_before_for_its_time(engine: Box<dyn Engine>) {
    let db = Database::at_rest(usual_rules(), engine);
    let (first, second, third) = (secret(), secret(), secret());
    change(&db, creation("orders", &first));
    let now = db.clock.now();

    let until = Some(now.plus(HOUR));
    assert_eq!(change(&db, rotation("orders", &second, HOUR)), ClientOutcome::Rotated { former_until: until });
    assert!(is_proven(&db, "orders", &first, now) && is_proven(&db, "orders", &second, now));
    assert!(!is_proven(&db, "orders", &first, now.plus(HOUR)));

    change(&db, rotation("orders", &third, HOUR));
    let proven = [&first, &second, &third].map(|secret| is_proven(&db, "orders", secret, now));
    assert_eq!(proven, [false, true, true]);
}

fn a_rotation_without_an_overlap_ends_every_secret_from_before(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (first, second, third) = (secret(), secret(), secret());
    change(&db, creation("orders", &first));
    change(&db, rotation("orders", &second, HOUR));

    let done = change(&db, rotation("orders", &third, Duration::ZERO));

    assert_eq!(done, ClientOutcome::Rotated { former_until: None });
    let now = db.clock.now();
    let proven = [&first, &second, &third].map(|secret| is_proven(&db, "orders", secret, now));
    assert_eq!(proven, [false, false, true]);
}

fn a_client_that_was_deleted_is_nobody(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (orders, billing) = (secret(), secret());
    change(&db, creation("orders", &orders));
    change(&db, creation("billing", &billing));

    assert_eq!(change(&db, ClientOperation::Delete(id("orders"))), ClientOutcome::Deleted);

    let now = db.clock.now();
    assert!(!is_proven(&db, "orders", &orders, now) && is_proven(&db, "billing", &billing, now));
    assert_eq!(change(&db, rotation("orders", &orders, HOUR)), ClientOutcome::Unknown);
    assert_eq!(change(&db, ClientOperation::Delete(id("orders"))), ClientOutcome::Unknown);
}

fn what_is_refused_commits_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    change(&db, creation("orders", &secret()));
    let before = db.engine.commits();

    change(&db, creation("orders", &secret()));
    change(&db, rotation("nobody", &secret(), HOUR));
    change(&db, ClientOperation::Delete(id("nobody")));

    assert_eq!(db.engine.commits(), before);
}

fn a_later_process_finds_the_clients(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (first, second) = (secret(), secret());
    change(&db, creation("orders", &first));
    change(&db, rotation("orders", &second, HOUR));
    let before = all(&db);

    let clock = db.clock.clone();
    let db = db.reopened(clock);

    assert_eq!(all(&db), before);
    assert!(is_proven(&db, "orders", &first, db.clock.now()));
}

fn a_client_of_another_process_is_news_and_so_is_its_end(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    db.kept_endings();
    let told = || db.wait(db.storage.news_of_others()).unwrap().map(|news| news.clients.len());
    change(&db, creation("own", &secret()));
    assert_eq!(told(), None);

    db.engine.sql("INSERT INTO clients (id, secret_hash, created_at) VALUES ('orders', zeroblob(32), 0)");
    assert_eq!((told(), told()), (Some(2), None));

    db.engine.sql("DELETE FROM clients WHERE id = 'orders'");
    assert_eq!((told(), told()), (Some(1), None));
}

fn a_row_that_is_no_client_is_left_out(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    change(&db, creation("orders", &secret()));

    db.engine.sql(
        "INSERT INTO clients (id, secret_hash, created_at)
         VALUES ('Not One', zeroblob(32), 0), ('short', x'00', 0), (CAST(x'ff6161' AS TEXT), zeroblob(32), 0)",
    );

    let ids: Vec<_> = all(&db).iter().map(|client| client.id.to_string()).collect();
    assert_eq!(ids, ["orders"]);
}
