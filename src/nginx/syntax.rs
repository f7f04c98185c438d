//! NGINX's configuration as a tree. It is read leniently: whatever gets here has passed
//! NGINX's own test.

use std::iter::Peekable;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::Chars;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
}

impl std::fmt::Display for Span {
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
    pub place: Span,
    /// From its first byte to its semicolon or closing brace, that included.
    pub span: Range<usize>,
    /// Where its block begins, behind the brace.
    pub opens: Option<usize>,
}

/// How deep blocks are read: people nest four or five. What lies deeper is passed over, so
/// that no text can be deeper than whoever walks the tree has room for.
const DEEPEST: usize = 64;

/// Reads the text of one file.
#[must_use]
pub fn parse(file: &Path, text: &str) -> Vec<Directive> {
    let mut reader = Reader {
        chars: text.chars().peekable(),
        line: 1,
        at: 0,
        file,
    };
    let mut all = Vec::new();
    // A brace too many ends a block early; what follows is read all the same.
    while reader.chars.peek().is_some() {
        all.extend(reader.block(DEEPEST));
    }
    all
}

/// A word, its line and its first byte.
type Word = (String, u64, usize);

enum Token {
    Word(Word),
    Semicolon,
    Open,
    Close,
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    line: u64,
    at: usize,
    file: &'a Path,
}

impl Reader<'_> {
    /// Directives up to the brace that closes them, or the end.
    fn block(&mut self, deep: usize) -> Vec<Directive> {
        let mut found = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        while let Some(token) = self.token() {
            let opens = matches!(token, Token::Open).then_some(self.at);
            let block = match token {
                Token::Word(word) => {
                    words.push(word);
                    continue;
                }
                Token::Close => break,
                Token::Semicolon => Vec::new(),
                Token::Open if is_foreign(&words) => {
                    self.skip_foreign();
                    Vec::new()
                }
                Token::Open if deep == 0 => {
                    self.skip_block();
                    Vec::new()
                }
                Token::Open => self.block(deep - 1),
            };
            let mut words = std::mem::take(&mut words).into_iter();
            if let Some((name, line, from)) = words.next() {
                found.push(Directive {
                    name,
                    args: words.map(|(word, ..)| word).collect(),
                    block,
                    place: Span {
                        file: self.file.to_owned(),
                        line,
                    },
                    span: from..self.at,
                    opens,
                });
            }
        }
        found
    }

    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        self.line += u64::from(next == Some('\n'));
        self.at += next.map_or(0, char::len_utf8);
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
                    let (line, at) = (self.line, self.at);
                    self.next();
                    return Some(Token::Word((self.quoted(quote), line, at)));
                }
                _ => {
                    let (line, at) = (self.line, self.at);
                    return Some(Token::Word((self.bare(), line, at)));
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

    /// Passes over a block up to its closing brace.
    fn skip_block(&mut self) {
        let mut open = 1_usize;
        while open > 0 {
            match self.token() {
                Some(Token::Open) => open += 1,
                Some(Token::Close) => open -= 1,
                Some(Token::Word(_) | Token::Semicolon) => {}
                None => return,
            }
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
fn is_foreign(words: &[Word]) -> bool {
    words
        .first()
        .is_some_and(|(name, ..)| name.ends_with("_by_lua_block"))
}

#[cfg(test)]
mod tests {
    use crate::syntax::*;

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

    #[test]
    fn a_directive_knows_its_bytes() {
        let text = "# ä\na b ;\n  loc \"é\" {\n c; }x";
        let all = parse(Path::new("f"), text);
        let bytes = |d: &Directive| text[d.span.clone()].to_owned();
        assert_eq!(bytes(&all[0]), "a b ;");
        assert_eq!(bytes(&all[1]), "loc \"é\" {\n c; }");
        assert_eq!(bytes(&all[1].block[0]), "c;");
        assert_eq!(&text[all[1].opens.unwrap()..], "\n c; }x");
        assert_eq!(all[0].opens, None);
    }
}
