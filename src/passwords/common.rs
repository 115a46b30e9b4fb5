//! The passwords that everybody tries first.
//!
//! Owns the look-up in a list that others keep; where it comes from and under which licence is said beside it, in
//! `assets/common-passwords/README.md`. It is searched where it lies in the binary: nothing is loaded or allocated.

/// In lower case, sorted by bytes, one a line, each line ended.
const LIST: &str = include_str!("../../assets/common-passwords/common-passwords.txt");

/// Whether this is on the list. The caller brings it in lower case.
pub(super) fn holds(text: &str) -> bool {
    let mut rest = LIST;
    while !rest.is_empty() {
        let (before, _) = rest.split_at(rest.floor_char_boundary(rest.len() / 2));
        let (smaller, from_line) = rest.split_at(before.rfind('\n').map_or(0, |end| end + 1));
        let (line, greater) = from_line.split_once('\n').unwrap_or((from_line, ""));
        rest = match text.cmp(line) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => smaller,
            std::cmp::Ordering::Greater => greater,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_form_that_is_searched() {
        assert!(LIST.ends_with('\n') && LIST.len() < 1_000_000);
        let entries: Vec<_> = LIST.lines().collect();
        assert!(entries.len() > 20_000);
        assert!(entries.windows(2).all(|pair| pair[0] < pair[1]), "sorted, and each once");
        for entry in entries {
            assert!(entry.chars().count() >= 8 && entry.to_lowercase() == entry && entry.trim() == entry, "{entry:?}");
        }
    }

    #[test]
    fn every_entry_is_found_and_nothing_beside_it() {
        for entry in LIST.lines() {
            assert!(holds(entry), "{entry}");
            assert!(!holds(&format!("{entry}\n")) && !holds(&format!("{entry} ")), "{entry}");
        }
        for text in ["", "\n", "password", "12345678", "1qaz2wsx3edc4rfv"] {
            assert_eq!(holds(text), text.len() >= 8, "{text:?}");
        }
        for text in ["passwor", "password\n", "passwordp", "correct horse battery", "\u{10ffff}", "~~~~~~~~~~~~~~~~"] {
            assert!(!holds(text), "{text:?}");
        }
    }
}
