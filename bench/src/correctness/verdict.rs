//! What a scenario's outcome is called, and what it must be for Latchkey.
//!
//! Owns the judgement. The rules are those of ADR 4 and the invariants of ARCHITECTURE.md, said as what people notice: how
//! many lineages are left, whether an owner was logged out wrongly, whether a thief stayed. Every outcome gets its words;
//! [`faults`] is asked for Latchkey's alone. Pure: no server, no clock.

use serde::Serialize;

use super::outcome::Counted;

/// What Latchkey tells whoever presents a token that was spent.
const REUSED: &str = "reused";

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// All tabs present one token at once, and go on with what they were given.
    TenTabs,
    /// The answer is lost, and the same token comes again.
    LostAnswer,
    /// The service is killed, and the same token comes again.
    Kill,
    /// A spent token comes back while it may be a retry.
    ParentInside,
    /// The same theft, once either of them renewed when it can be none.
    ParentInsideThenOutside,
    /// A spent token comes back from a thief.
    ParentOutside,
    /// A thief spent the token first, and it comes back from its owner.
    ThiefFirst,
    /// A token from two renewals ago.
    Grandparent,
    /// An old token hundreds of times.
    PolledOutside,
    /// Hundreds of times, beginning right after it was spent.
    PolledFromInside,
    /// At the same time.
    Logout,
    /// At the same time.
    PasswordChange,
    /// A token that was spent before a clean restart.
    ReplayAfterRestart,
    /// The newest token meets a database from before it.
    RestoredNewest,
    /// A token that was spent since meets a database in which it was not; then comes the newest.
    RestoredOld,
}

/// What a scenario is about, which decides what its outcomes are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// Nobody steals.
    Honesty,
    /// Somebody does, and it cannot be seen yet.
    TheftUnseen,
    /// Somebody does, and it can be seen.
    Theft,
    /// Somebody ends the session.
    Ending,
    /// The state went back in time.
    Rollback,
}

impl Case {
    /// For the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::TenTabs => "1 ten tabs restored at once",
            Self::LostAnswer => "2 lost answer, then retry",
            Self::Kill => "3 retry after a kill",
            Self::ParentInside => "4 stolen parent inside the window",
            Self::ParentInsideThenOutside => "4b then used outside it",
            Self::ParentOutside => "5 stolen parent outside the window",
            Self::ThiefFirst => "5b the thief first, then the owner",
            Self::Grandparent => "6 stolen grandparent",
            Self::PolledOutside => "7 old token polled for ever",
            Self::PolledFromInside => "7b polled from inside the window on",
            Self::Logout => "8 logout against renewal",
            Self::PasswordChange => "9 password change against renewal",
            Self::ReplayAfterRestart => "10 replay after restart",
            Self::RestoredNewest => "11 restored backup, newest token",
            Self::RestoredOld => "11b old token, then the newest",
        }
    }

    fn about(self) -> About {
        match self {
            Self::TenTabs | Self::LostAnswer | Self::Kill => About::Honesty,
            Self::ParentInside => About::TheftUnseen,
            Self::ParentInsideThenOutside
            | Self::ParentOutside
            | Self::ThiefFirst
            | Self::Grandparent
            | Self::PolledOutside
            | Self::PolledFromInside
            | Self::ReplayAfterRestart
            | Self::RestoredOld => About::Theft,
            Self::Logout | Self::PasswordChange => About::Ending,
            Self::RestoredNewest => About::Rollback,
        }
    }

    /// How many lineages there must be at the end: exactly.
    fn lineages(self) -> usize {
        match self {
            // The session of a theft that cannot be seen yet goes on as one; of a password change, the fresh one does.
            Self::TenTabs | Self::LostAnswer | Self::Kill | Self::ParentInside | Self::PasswordChange => 1,
            Self::ParentInsideThenOutside
            | Self::ParentOutside
            | Self::ThiefFirst
            | Self::Grandparent
            | Self::PolledOutside
            | Self::PolledFromInside
            | Self::Logout
            | Self::ReplayAfterRestart
            | Self::RestoredNewest
            | Self::RestoredOld => 0,
        }
    }

    /// Whether the thief may be given a token at some time: where he cannot be told from the owner.
    fn may_serve_the_thief(self) -> bool {
        match self {
            Self::ParentInside
            | Self::ParentInsideThenOutside
            | Self::ThiefFirst
            | Self::PolledFromInside
            | Self::RestoredOld => true,
            Self::TenTabs
            | Self::LostAnswer
            | Self::Kill
            | Self::ParentOutside
            | Self::Grandparent
            | Self::PolledOutside
            | Self::Logout
            | Self::PasswordChange
            | Self::ReplayAfterRestart
            | Self::RestoredNewest => false,
        }
    }

    /// Whether every owner must be refused, though nobody stole: the newest token is ahead of what is stored, and the same could come
    /// from a thief who renewed what the owner lost.
    fn logs_out_on_purpose(self) -> bool {
        self.about() == About::Rollback
    }

    /// Whether a try may have to be repeated: where the service is gone for a while.
    fn may_need_retries(self) -> bool {
        matches!(self, Self::Kill)
    }

    /// The outcome in a few words: what is wrong with it, each with in how many sessions, else what is right.
    pub fn words(self, counted: &Counted) -> String {
        let (_, most) = counted.least_and_most();
        let forked = counted.lineages.range(2..).map(|(_, sessions)| sessions).sum();
        let wrongs = [
            ("forked", forked),
            ("logged out", counted.false_logouts),
            ("thief renews", counted.thief_renews),
            ("thief calls", counted.thief_calls),
            ("renewal outlives", counted.renewal_outlived),
            ("call outlives", counted.call_outlived),
        ];
        let named: Vec<String> = wrongs
            .iter()
            .filter(|(_, sessions)| *sessions > 0)
            .map(|(word, sessions)| format!("{word} {sessions}/{}", counted.sessions))
            .collect();
        if !named.is_empty() {
            let told: Vec<String> = counted.told.keys().map(|told| format!("{told:?}")).collect();
            let named = named.join(", ");
            // Whether that is on purpose shows in what they are told.
            return if self.logs_out_on_purpose() && counted.false_logouts > 0 {
                format!("{named}, told {}", told.join(" and "))
            } else {
                named
            };
        }
        let word = match (self.about(), most) {
            (About::Honesty | About::Rollback, _) => "kept",
            (About::TheftUnseen, 1..) if counted.thief_was_served > 0 => "shared",
            (About::TheftUnseen | About::Theft, 0) => "ended",
            (About::TheftUnseen | About::Theft, _) => "thief refused",
            (About::Ending, 0) => "over",
            (About::Ending, _) => "fresh one only",
        };
        word.to_owned()
    }
}

/// What of Latchkey's outcome, for which so many tries were repeated, is not what its design says; nothing where all is.
pub fn faults(case: Case, counted: &Counted, repeated_tries: usize) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |holds: bool, fault: &str| {
        if !holds {
            faults.push(fault.to_owned());
        }
    };
    check(counted.sessions > 0, "nobody took part");
    check(
        case.may_need_retries() || repeated_tries == 0,
        &format!("{repeated_tries} tries were neither answered nor refused"),
    );
    let wanted = case.lineages();
    check(counted.lineages.keys().all(|&lineages| lineages == wanted), &format!("not {wanted} lineages for everybody"));
    if case.logs_out_on_purpose() {
        check(counted.false_logouts == counted.sessions, "an owner goes on with a token that the state does not know");
    } else {
        check(counted.false_logouts == 0, "an owner was logged out, though nobody stole anything");
    }
    check(counted.thief_renews == 0, "a thief stays: he renews");
    check(counted.thief_calls == 0, "a thief stays: he calls");
    check(counted.renewal_outlived == 0, "a refresh token outlived its session");
    check(counted.call_outlived == 0, "an access token outlived its session");
    check(case.may_serve_the_thief() || counted.thief_was_served == 0, "a thief was given a token");
    // Whoever is refused first where there was a theft or a rollback is the one who shows it.
    if matches!(case.about(), About::Theft | About::Rollback) {
        let reused = counted.told.get(REUSED).copied().unwrap_or_default();
        check(reused == counted.sessions, "somebody was not told that the token was reused");
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Outcome;
    use super::*;

    /// What Latchkey shows of a case, twice.
    fn right(case: Case) -> Outcome {
        Outcome {
            lineages: case.lineages(),
            false_logout: case == Case::RestoredNewest,
            thief_was_served: case.may_serve_the_thief(),
            told: Some(REUSED.to_owned()),
            ..Outcome::default()
        }
    }

    fn found(case: Case, outcomes: &[Outcome]) -> Vec<String> {
        faults(case, &counted(outcomes), 0)
    }

    fn counted(outcomes: &[Outcome]) -> Counted {
        outcomes.iter().cloned().collect()
    }

    const ALL: [Case; 15] = [
        Case::TenTabs,
        Case::LostAnswer,
        Case::Kill,
        Case::ParentInside,
        Case::ParentInsideThenOutside,
        Case::ParentOutside,
        Case::ThiefFirst,
        Case::Grandparent,
        Case::PolledOutside,
        Case::PolledFromInside,
        Case::Logout,
        Case::PasswordChange,
        Case::ReplayAfterRestart,
        Case::RestoredNewest,
        Case::RestoredOld,
    ];

    #[test]
    fn what_the_design_says_is_no_fault() {
        for case in ALL {
            assert_eq!(found(case, &[right(case), right(case)]), Vec::<String>::new(), "{case:?}");
        }
    }

    #[test]
    fn one_session_among_many_is_enough_for_a_fault() {
        for case in ALL {
            let right = right(case);
            let wrong = [
                Outcome { lineages: 2, ..right.clone() },
                Outcome { lineages: 1 - case.lineages(), ..right.clone() },
                Outcome { false_logout: !right.false_logout, ..right.clone() },
                Outcome { thief_renews: true, ..right.clone() },
                Outcome { thief_calls: true, ..right.clone() },
                Outcome { renewal_outlived: true, ..right.clone() },
                Outcome { call_outlived: true, ..right.clone() },
            ];
            for wrong in wrong {
                assert!(!found(case, &[right.clone(), wrong.clone()]).is_empty(), "{case:?} {wrong:?}");
            }
            assert!(!found(case, &[]).is_empty(), "{case:?}: nobody took part");
        }
    }

    #[test]
    fn a_try_is_repeated_only_where_the_service_was_killed() {
        for case in ALL {
            let right = counted(&[right(case)]);
            assert_eq!(faults(case, &right, 1).is_empty(), case == Case::Kill, "{case:?}");
        }
    }

    #[test]
    fn a_thief_is_served_only_where_nobody_could_tell() {
        for case in [
            Case::ParentOutside,
            Case::Grandparent,
            Case::PolledOutside,
            Case::ReplayAfterRestart,
            Case::RestoredNewest,
        ] {
            let served = Outcome { thief_was_served: true, ..right(case) };
            assert!(!found(case, &[served]).is_empty(), "{case:?}");
        }
    }

    #[test]
    fn a_theft_and_a_rollback_are_called_by_their_name() {
        for case in ALL.into_iter().filter(|case| matches!(case.about(), About::Theft | About::Rollback)) {
            for told in [None, Some("revoked".to_owned())] {
                let unnamed = Outcome { told, ..right(case) };
                assert!(!found(case, &[right(case), unnamed]).is_empty(), "{case:?}");
            }
        }
    }

    #[test]
    fn an_outcome_is_called_by_what_is_wrong_with_it_else_by_what_is_right() {
        let said = |case: Case, wrong: Outcome| case.words(&counted(&[right(case), wrong]));
        for (case, outcome, words) in [
            (Case::TenTabs, right(Case::TenTabs), "kept"),
            (
                Case::TenTabs,
                Outcome { lineages: 3, false_logout: true, ..Outcome::default() },
                "forked 1/2, logged out 1/2",
            ),
            (Case::ParentInside, right(Case::ParentInside), "shared"),
            (Case::ParentOutside, right(Case::ParentOutside), "ended"),
            (Case::ParentOutside, Outcome { lineages: 1, ..Outcome::default() }, "thief refused"),
            (Case::ThiefFirst, Outcome { lineages: 1, thief_renews: true, ..Outcome::default() }, "thief renews 1/2"),
            (Case::Logout, right(Case::Logout), "over"),
            (Case::Logout, Outcome { call_outlived: true, ..Outcome::default() }, "call outlives 1/2"),
            (Case::PasswordChange, right(Case::PasswordChange), "fresh one only"),
            (Case::RestoredNewest, right(Case::RestoredNewest), "logged out 2/2, told \"reused\""),
            (
                Case::RestoredNewest,
                Outcome { false_logout: true, told: Some("unknown".to_owned()), ..Outcome::default() },
                "logged out 2/2, told \"reused\" and \"unknown\"",
            ),
            (
                Case::TenTabs,
                Outcome { false_logout: true, told: Some("no".to_owned()), ..Outcome::default() },
                "logged out 1/2",
            ),
        ] {
            assert_eq!(said(case, outcome), words, "{case:?}");
        }
    }
}
