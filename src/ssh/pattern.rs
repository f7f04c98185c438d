//! The patterns of `Host` lines and of `known_hosts`: `*`, `?`, and `!` in front for what is
//! left out.

/// Whether one of the patterns matches and none with a `!` does.
#[must_use]
pub fn list_matches<T: AsRef<str>>(patterns: &[T], text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        let pattern = pattern.as_ref();
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, text) => return false,
            Some(_) => {}
            None => found |= matches(pattern, text),
        }
    }
    found
}

/// The same without regard to case, as the names of hosts are.
#[must_use]
pub fn names_match<T: AsRef<str>>(patterns: &[T], name: &str) -> bool {
    let small: Vec<String> = patterns
        .iter()
        .map(|pattern| pattern.as_ref().to_lowercase())
        .collect();
    list_matches(&small, &name.to_lowercase())
}

/// Whether the whole of `text` is like `pattern`.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut here) = (0, 0);
    // Behind the last `*`: where the pattern goes on, and up to where the `*` has eaten.
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, here));
                at += 1;
            }
            Some(letter) if *letter == '?' || Some(letter) == text.get(here) => {
                at += 1;
                here += 1;
            }
            _ => match star {
                Some((after, eaten)) => {
                    star = Some((after, eaten + 1));
                    (at, here) = (after, eaten + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use crate::pattern::*;

    #[test]
    fn a_pattern_is_for_the_whole_text() {
        let table = [
            ("web1", "web1", true),
            ("web1", "web11", false),
            ("web?", "web1", true),
            ("web?", "web", false),
            ("*", "", true),
            ("*.example.org", "web1.example.org", true),
            ("*.example.org", "example.org", false),
            ("w*b*1", "web.web1", true),
            ("w*b*2", "web.web1", false),
            ("a*?c", "abbc", true),
            ("[*.example.org]:2222", "[web1.example.org]:2222", true),
            ("[*.example.org]:2222", "[web1.example.org]:22", false),
            ("**", "x", true),
            ("é?", "éa", true),
        ];
        let mut seen = 0;
        for (pattern, text, wanted) in table {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
            seen += 1;
        }
        assert_eq!(seen, 14);
    }

    #[test]
    fn a_negation_wins_wherever_it_stands() {
        assert!(list_matches(&["*.org", "!db.org"], "web.org"));
        assert!(!list_matches(&["*.org", "!db.org"], "db.org"));
        assert!(!names_match(&["!db.org", "*.ORG"], "DB.ORG"));
        assert!(names_match(&["!db.org", "*.ORG"], "web.org"));
        assert!(!list_matches(&["*.org"], "WEB.ORG"));
        assert!(!list_matches(&["!db.org"], "web.org"), "alone it lets nobody in");
        assert!(!list_matches::<&str>(&[], "web.org"));
    }
}
