//! A name that fits a pattern: a probe has to ask for one, and no visitor has told any.

use crate::names::name::{Name, expression};

/// What may stand where a wildcard does, in the order in which it is tried.
const BELOW: [&str; 3] = ["www", "a", "bg-probe"];
const ABOVE: [&str; 3] = ["com", "test", "example"];

/// Names that a visitor could ask for who means `name`, the likeliest first.
#[must_use]
pub fn examples(name: &str) -> Vec<String> {
    match Name::read(name) {
        Name::Exact(name) => vec![name],
        Name::Domain(domain) => vec![domain.clone(), format!("www.{domain}")],
        Name::Below(domain) => BELOW.map(|first| format!("{first}.{domain}")).to_vec(),
        Name::Above(start) => ABOVE.map(|last| format!("{start}.{last}")).to_vec(),
        Name::Pattern(pattern) => of_pattern(&pattern).into_iter().collect(),
        Name::Nobodys => Vec::new(),
    }
}

/// A name that the expression itself takes: what cannot be read here has none.
fn of_pattern(pattern: &str) -> Option<String> {
    let mut reader = Reader {
        left: pattern.chars().collect(),
    };
    reader.left.reverse();
    let name = reader.alternatives()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    let fits = expression(pattern).is_some_and(|read| read.is_match(&name));
    (fits && !name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// Reads a regular expression and writes the shortest text that fits it, as a rule.
struct Reader {
    /// What is left of it, the next character last.
    left: Vec<char>,
}

impl Reader {
    fn next_is(&self, wanted: char) -> bool {
        self.left.last() == Some(&wanted)
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_it = self.next_is(wanted);
        if is_it {
            self.left.pop();
        }
        is_it
    }

    /// The first of them.
    fn alternatives(&mut self) -> Option<String> {
        let first = self.branch()?;
        while self.take('|') {
            self.branch()?;
        }
        Some(first)
    }

    fn branch(&mut self) -> Option<String> {
        let mut text = String::new();
        while let Some(c) = self.left.last().copied().filter(|c| !")|".contains(*c)) {
            self.left.pop();
            let piece = match c {
                '^' | '$' => continue,
                '(' => self.group()?,
                '[' => self.class()?.to_string(),
                '\\' => Self::escaped(self.left.pop()?)?.to_string(),
                '.' => "a".to_owned(),
                c => c.to_string(),
            };
            text.push_str(&piece.repeat(self.least()?));
        }
        Some(text)
    }

    fn group(&mut self) -> Option<String> {
        if self.take('?') {
            self.take('P');
            let named = self.take('<');
            match self.left.pop()? {
                ':' if !named => {}
                '=' | '!' => return None,
                _ if named => while self.left.pop()? != '>' {},
                _ => return None,
            }
        }
        let inner = self.alternatives()?;
        self.take(')').then_some(inner)
    }

    /// One character of a class.
    fn class(&mut self) -> Option<char> {
        let negated = self.take('^');
        let mut found: Vec<char> = Vec::new();
        loop {
            match self.left.pop()? {
                ']' if !found.is_empty() => break,
                '\\' => found.push(Self::escaped(self.left.pop()?)?),
                '-' if !found.is_empty() && !self.next_is(']') => {
                    let (from, to) = (found.last().copied()?, self.left.pop()?);
                    found.extend((from..=to).take(usize::from(u8::MAX)));
                }
                c => found.push(c),
            }
        }
        match negated {
            true => "a1-".chars().find(|c| !found.contains(c)),
            false => Some('a').filter(|a| found.contains(a)).or(found.first().copied()),
        }
    }

    fn escaped(c: char) -> Option<char> {
        match c {
            'd' => Some('1'),
            'w' => Some('a'),
            c => (!c.is_ascii_alphanumeric()).then_some(c),
        }
    }

    /// How often what stands before has to be there.
    fn least(&mut self) -> Option<usize> {
        let least = match self.left.last() {
            Some('*' | '?') => 0,
            Some('{') => {
                let mut digits = String::new();
                self.left.pop();
                while self.left.last()?.is_ascii_digit() {
                    digits.extend(self.left.pop());
                }
                while !self.next_is('}') {
                    self.left.pop()?;
                }
                digits.parse().ok().filter(|least| *least < 64)?
            }
            Some('+') => 1,
            _ => return Some(1),
        };
        self.left.pop();
        // Lazy or possessive: as many.
        if self.next_is('?') || self.next_is('+') {
            self.left.pop();
        }
        Some(least)
    }
}

#[cfg(test)]
mod tests {
    use crate::names::example::*;

    #[test]
    fn a_name_that_a_pattern_takes_is_made_up() {
        let table = [
            ("shop.test", "shop.test"),
            (".shop.test", "shop.test"),
            ("*.shop.test", "www.shop.test"),
            ("www.shop.*", "www.shop.com"),
            (r"~^(?<tenant>[a-z0-9-]+)\.shop\.test$", "a.shop.test"),
            (r"~^(www\.)?(.+)$", "a"),
            (r"~^(?:api|web)\d{2,}\.Shop\.test$", "api11.Shop.test"),
            (r"~^[^.]+\.(?P<zone>eu|us)-?x\w*\.test$", "a.eux.test"),
            (r"~shop\.test$", "shop.test"),
            ("_", ""),
            (r"~^(?!www)\w+\.test$", ""),
            (r"~^a{1000000}$", ""),
            (r"~^(((", ""),
            ("~^[", ""),
        ];
        for (name, expected) in table {
            let made = examples(name).into_iter().next().unwrap_or_default();
            assert_eq!(made, expected, "{name}");
        }
        assert_eq!(table.len(), 14);
    }
}
