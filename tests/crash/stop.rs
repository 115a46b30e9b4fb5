//! Asked to stop, and kept from starting.

use std::net::TcpListener;

use crate::client::{Client, Request, Tokens};
use crate::crowd::Crowd;
use crate::person::{Grace, Interruption, PASSWORD};
use crate::process::{Place, Process, Signal};

const STRICT: [(&str, &str); 1] = [("REFRESH_GRACE", "0s")];

/// What the log says once the server has heard the signal.
const STOPPING: &str = "stopping: finishing what is in flight";

fn registered(server: &Process) -> Tokens {
    let mut client = Client::of(server.address);
    client.ask(&Request::register("testuser", PASSWORD)).unwrap().is(201);
    client.ask(&Request::login("testuser", PASSWORD)).unwrap().tokens()
}

#[test]
fn a_stop_in_the_middle_of_load_is_clean_and_what_it_does_not_answer_it_does_not_do() {
    let place = Place::new();
    let mut crowd = Crowd::new(Grace::Strict);
    for signal in [Signal::TERM, Signal::INT] {
        let server = place.start(&STRICT);
        crowd.check(server.address, Interruption::Stop);

        crowd.busy_until(server.address, || server.signal(signal));

        let ended = server.ended();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        assert!(!place.has_write_ahead_log(), "everything is in the database file");
        place.assert_sound();
    }
    let server = place.start(&STRICT);
    crowd.check(server.address, Interruption::Stop);
}

#[test]
fn a_request_in_flight_is_answered_and_durable_however_often_the_stop_is_asked_for() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let mut server = place.start(&STRICT);
        let tokens = registered(&server);
        let mut client = Client::of(server.address);
        let (head, body) = Request::renew(&tokens.refresh).in_two();
        client.send(&head).unwrap();
        client.receive().unwrap().is(100);

        server.signal(signal);
        server.wait_for_log(STOPPING);
        server.signal(signal);
        client.send(&body).unwrap();
        let successor = client.receive().unwrap().tokens();

        let ended = server.ended();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        let server = place.start(&STRICT);
        let mut client = Client::of(server.address);
        client.ask(&Request::renew(&successor.refresh)).unwrap().tokens();
        client.ask(&Request::renew(&tokens.refresh)).unwrap().refused_as("reused");
    }
}

#[test]
fn a_stop_hangs_up_on_who_asks_nothing_while_a_request_is_still_in_flight() {
    let place = Place::new();
    let server = place.start(&[]);
    let tokens = registered(&server);
    let mut asked_before = Client::of(server.address);
    asked_before.ask(&Request::profile(&tokens.access)).unwrap().is(200);
    let mut never_asked = Client::of(server.address);
    never_asked.connect().unwrap();
    let mut in_flight = Client::of(server.address);
    let (head, body) = Request::renew(&tokens.refresh).in_two();
    in_flight.send(&head).unwrap();
    in_flight.receive().unwrap().is(100);

    server.signal(Signal::TERM);
    asked_before.is_hung_up_on();
    never_asked.is_hung_up_on();

    // Closed with the process, they would have outlasted this request's patience for its body.
    in_flight.send(&body).unwrap();
    in_flight.receive().unwrap().tokens();
}

#[test]
fn a_stop_asked_for_as_soon_as_the_address_is_known_is_clean() {
    let place = Place::new();
    // Many times: a signal that came before anybody listened for it would win only some of the races.
    for _ in 0..24 {
        place.start(&[]).stop();
    }
}

#[test]
fn a_port_in_use_is_told_in_one_line_that_names_the_settings() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    let ended = Place::new().start_in_vain(&[("PORT", &port)]);

    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    assert_eq!(ended.log.lines().count(), 1, "{}", ended.log);
    assert!(ended.log.starts_with("latchkey: HOST, PORT: cannot listen: "), "{}", ended.log);
    assert_eq!(ended.output, "");
}

#[test]
fn a_second_server_on_the_same_data_does_not_start_and_disturbs_nobody() {
    let place = Place::new();
    let server = place.start(&STRICT);
    let tokens = registered(&server);

    let second = place.start_in_vain(&STRICT);

    assert_eq!(second.status.code(), Some(1));
    assert_eq!(second.log, "latchkey: DATABASE_URL: another Latchkey serves this database\n");
    Client::of(server.address).ask(&Request::renew(&tokens.refresh)).unwrap().tokens();
}
