//! How a session's client is given its refresh tokens is remembered, and told where an answer depends on it.

use latchkey::storage::{Account, EndReason, NewSession, SessionOperation, SessionOutcome, UserOperation, UserOutcome};
use latchkey::tokens::grant::Transport;
use latchkey::tokens::refresh::SessionId;

use crate::database::{Database, granted, logout, new_session, password_change};
use crate::engine::Engine;

every_engine![
    an_ending_says_of_which_transport_the_session_was,
    a_password_change_opens_a_session_of_the_transport_of_the_one_that_asks,
    whoever_ends_all_of_their_sessions_is_told_the_transport_of_the_one_that_asks,
    a_renewal_leaves_the_transport_alone,
];

const BOTH: [Transport; 2] = [Transport::Body, Transport::Cookie];

fn session(db: &Database, account: &Account, transport: Transport) -> SessionId {
    let new = NewSession { transport, ..new_session(account, "phone") };
    granted(db.sessions(vec![SessionOperation::Open(new)])).session
}

/// What ending the session says of its transport.
fn told_by_ending(db: &Database, operation: SessionOperation) -> Option<Transport> {
    match db.sessions(vec![operation]).outcomes.pop() {
        Some(Ok(SessionOutcome::Ended { session })) => session.map(|ended| ended.transport),
        other => panic!("not ended: {other:?}"),
    }
}

fn told_by_all_ending(db: &Database, operation: UserOperation) -> Transport {
    match db.users(vec![operation]).outcomes.pop() {
        Some(Ok(UserOutcome::AllEnded { transport })) => transport,
        other => panic!("not all ended: {other:?}"),
    }
}

fn an_ending_says_of_which_transport_the_session_was(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    for transport in BOTH {
        let (ended, picked) = (session(&db, &alice, transport), session(&db, &alice, transport));
        let owner = alice.principal.id;

        assert_eq!(told_by_ending(&db, logout(ended)), Some(transport));
        assert_eq!(told_by_ending(&db, logout(ended)), None);
        let own = SessionOperation::EndOwn { owner, asked_by: picked, session: picked };
        assert_eq!(told_by_ending(&db, own), Some(transport));
    }
}

fn a_password_change_opens_a_session_of_the_transport_of_the_one_that_asks(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    for (name, transport, other) in
        [("alice", Transport::Cookie, Transport::Body), ("bob", Transport::Body, Transport::Cookie)]
    {
        let account = db.account(name);
        let asked_by = session(&db, &account, transport);
        session(&db, &account, other);

        let mut done = db.users(vec![password_change(asked_by, &account, "another hash")]);

        let Some(Ok(UserOutcome::PasswordChanged { grant, transport: told })) = done.outcomes.pop() else {
            panic!("{done:?}")
        };
        assert_eq!(told, transport);
        assert_eq!(told_by_ending(&db, logout(grant.session)), Some(transport), "it is not what was told");
    }
}

fn whoever_ends_all_of_their_sessions_is_told_the_transport_of_the_one_that_asks(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    for (name, transport, other) in
        [("alice", Transport::Cookie, Transport::Body), ("bob", Transport::Body, Transport::Cookie)]
    {
        let account = db.account(name);
        let asked_by = session(&db, &account, transport);
        session(&db, &account, other);
        let everywhere = UserOperation::EndSessions { user: account.principal.id, asked_by };
        assert_eq!(told_by_all_ending(&db, everywhere), transport);

        let account = db.find(name).unwrap();
        let asked_by = session(&db, &account, transport);
        session(&db, &account, other);
        let deletion = UserOperation::DeleteOwn { seen: account.fence(), asked_by };
        assert_eq!(told_by_all_ending(&db, deletion), transport);
    }
}

fn a_renewal_leaves_the_transport_alone(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    for transport in BOTH {
        let renewed = session(&db, &alice, transport);

        assert_eq!(db.present(renewed, 1), "granted 2");

        let ending = SessionOperation::End { session: renewed, reason: EndReason::Logout };
        assert_eq!(told_by_ending(&db, ending), Some(transport));
    }
}
