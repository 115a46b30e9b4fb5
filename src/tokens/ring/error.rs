//! Why a key ring cannot be used.
//!
//! Owns one rule: a refusal names keys and shows nothing of them, and says what to do.

/// What to do about a ring that nobody can use.
const WAY_OUT: &str = "; bring it back from a backup, or begin anew (latchkey keys init), which keeps it aside, and after which \
                       whoever was signed in with its keys has to log in again";

/// Why a ring cannot be used. Names keys, and shows nothing of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// Cut, or edited by hand.
    #[error("is incomplete or was changed{WAY_OUT}")]
    Garbled,
    /// Of a later version.
    #[error("was written by a newer version of latchkey")]
    Newer,
    /// A key is not the one that its name says.
    #[error("holds a key that is not what its name {kid} says{WAY_OUT}")]
    NotItsName {
        /// The name.
        kid: String,
    },
    /// Two keys of one name or number.
    #[error("holds {kid} twice{WAY_OUT}")]
    Twice {
        /// The name.
        kid: String,
    },
    /// Not one line of keys, each of which follows another.
    #[error("does not say for every moment which key signs {what} tokens{WAY_OUT}")]
    NoSigner {
        /// `access` or `refresh`.
        what: &'static str,
    },
    /// A key does not verify what it signed.
    #[error("holds {kid}, which does not verify what it signs{WAY_OUT}")]
    SelfTest {
        /// Its name.
        kid: String,
    },
}

impl RingError {
    /// Whether nobody can use this ring: not this program, and no newer one.
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Newer => false,
            Self::Garbled
            | Self::NotItsName { .. }
            | Self::Twice { .. }
            | Self::NoSigner { .. }
            | Self::SelfTest { .. } => true,
        }
    }
}
