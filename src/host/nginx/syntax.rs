//! NGINX's configuration as a tree. It is read leniently: whatever gets here has passed
//! NGINX's own test.

use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its first word.
    pub name: String,
    /// The other words, without their quotes.
    pub args: Vec<String>,
    /// What stands between its braces.
    pub block: Vec<Directive>,
    /// Where its first word stands.
    pub place: Place,
}

/// Reads the text of one file.
#[must_use]
pub fn parse(file: &Path, text: &str) -> Vec<Directive> {
    let mut reader = Reader {
        chars: text.chars().peekable(),
        line: 1,
        file,
    };
    let mut all = Vec::new();
    // A brace too many ends a block early; what follows is read all the same.
    while reader.chars.peek().is_some() {
        all.extend(reader.block());
    }
    all
}

enum Token {
    Word(String, u64),
    Semicolon,
    Open,
    Close,
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    line: u64,
    file: &'a Path,
}

impl Reader<'_> {
    /// Directives up to the brace that closes them, or the end.
    fn block(&mut self) -> Vec<Directive> {
        let mut found = Vec::new();
        let mut words: Vec<(String, u64)> = Vec::new();
        while let Some(token) = self.token() {
            let block = match token {
                Token::Word(word, line) => {
                    words.push((word, line));
                    continue;
                }
                Token::Close => break,
                Token::Semicolon => Vec::new(),
                Token::Open if is_foreign(&words) => {
                    self.skip_foreign();
                    Vec::new()
                }
                Token::Open => self.block(),
            };
            let mut words = std::mem::take(&mut words).into_iter();
            if let Some((name, line)) = words.next() {
                found.push(Directive {
                    name,
                    args: words.map(|(word, _)| word).collect(),
                    block,
                    place: Place {
                        file: self.file.to_owned(),
                        line,
                    },
                });
            }
        }
        found
    }

    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        self.line += u64::from(next == Some('\n'));
        next
    }

    fn token(&mut self) -> Option<Token> {
        loop {
            match *self.chars.peek()? {
                '#' => while self.next().is_some_and(|c| c != '\n') {},
                c if c.is_whitespace() => {
                    self.next();
                }
                ';' => return self.next().map(|_| Token::Semicolon),
                '{' => return self.next().map(|_| Token::Open),
                '}' => return self.next().map(|_| Token::Close),
                quote @ ('"' | '\'') => {
                    let line = self.line;
                    self.next();
                    return Some(Token::Word(self.quoted(quote), line));
                }
                _ => {
                    let line = self.line;
                    return Some(Token::Word(self.bare(), line));
                }
            }
        }
    }

    fn quoted(&mut self, quote: char) -> String {
        let mut word = String::new();
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escaped(&mut word),
                c if c == quote => break,
                c => word.push(c),
            }
        }
        word
    }

    /// A word without quotes. `${` opens no block.
    fn bare(&mut self) -> String {
        let mut word = String::new();
        while let Some(&c) = self.chars.peek() {
            let variable = c == '{' && word.ends_with('$');
            if c.is_whitespace() || c == ';' || (c == '{' && !variable) {
                break;
            }
            self.next();
            match c {
                '\\' => self.escaped(&mut word),
                c => word.push(c),
            }
        }
        word
    }

    /// What NGINX makes of a backslash: it goes before a quote or another one, names a
    /// blank, and stays otherwise.
    fn escaped(&mut self, word: &mut String) {
        match self.next() {
            Some(c @ ('"' | '\'' | '\\')) => word.push(c),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(c) => word.extend(['\\', c]),
            None => word.push('\\'),
        }
    }

    /// Passes over another language up to its closing brace.
    fn skip_foreign(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }
}

/// OpenResty's Lua blocks are no NGINX inside.
fn is_foreign(words: &[(String, u64)]) -> bool {
    words
        .first()
        .is_some_and(|(name, _)| name.ends_with("_by_lua_block"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(all: &[Directive]) -> String {
        all.iter()
            .map(|d| {
                let words: Vec<&str> = d.args.iter().map(String::as_str).collect();
                let block = if d.block.is_empty() {
                    String::new()
                } else {
                    format!("{{{}}}", flat(&d.block))
                };
                format!("{}:{}[{}]{block} ", d.place.line, d.name, words.join("|"))
            })
            .collect()
    }

    #[test]
    fn it_reads_what_nginx_reads() {
        let table = [
            ("a b;c;", "1:a[b] 1:c[] "),
            ("a\n  b # c; d\n  e;\nf;", "1:a[b|e] 4:f[] "),
            ("a { b c; } d;", "1:a[]{1:b[c] } 1:d[] "),
            (r#"a "b; {c}" 'd "e"';"#, r#"1:a[b; {c}|d "e"] "#),
            (r#"a "x\"y\\z\.w";"#, r#"1:a[x"y\z\.w] "#),
            ("set $a ${b}c;", "1:set[$a|${b}c] "),
            ("a b#c;", "1:a[b#c] "),
            (
                "if (-f \"/a b/c\") { set $x 1; }",
                "1:if[(-f|/a b/c|)]{1:set[$x|1] } ",
            ),
            ("a{b{c;}}", "1:a[]{1:b[]{1:c[] } } "),
            (
                "content_by_lua_block { if a then { } end; } b;",
                "1:content_by_lua_block[] 1:b[] ",
            ),
            ("a; } b;", "1:a[] 1:b[] "),
            ("a", ""),
        ];
        for (text, expected) in table {
            assert_eq!(flat(&parse(Path::new("f"), text)), expected, "{text}");
        }
        assert_eq!(table.len(), 12);
    }
}
