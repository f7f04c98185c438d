//! A text as it reads once the escapes in it are undone, which still knows where everything
//! stands in what was written.

use std::ops::Range;

/// Reads the escape that a text begins with: how long it is, and what it stands for.
type Read = fn(&[u8]) -> Option<(usize, Vec<u8>)>;

const ESCAPE: u8 = 0x1b;

/// What escapes begin with.
const MARKS: [u8; 5] = [b'%', b'+', b'\\', b'&', ESCAPE];

/// How many escapes deep a text is read: what goes through a shell, a log and a report has three.
const DEEPEST: usize = 3;

/// A text, or what it says once escapes in it were undone.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    /// Where each byte stands in the text; none where the view is the text itself.
    places: Option<Vec<(usize, usize)>>,
}

impl View {
    /// The text itself and each way to read it that differs from it.
    pub(super) fn all(text: &str) -> Vec<View> {
        let raw = View {
            bytes: text.as_bytes().to_vec(),
            places: None,
        };
        if !raw.bytes.iter().any(|byte| MARKS.contains(byte)) {
            return vec![raw];
        }
        // Each kind by itself, since a secret may hold what another kind would undo; and one
        // within another, as a URL in JSON in a page.
        let kinds: [Read; 6] = [
            |rest| percent(rest, false),
            |rest| percent(rest, true),
            backslash,
            entity,
            color,
            any,
        ];
        let mut views = Vec::new();
        for read in kinds {
            let first = views.len();
            for _ in 0..DEEPEST {
                let outer = views.get(first..).and_then(<[View]>::last).unwrap_or(&raw);
                let inner = outer.undo(read);
                if inner.bytes == outer.bytes {
                    break;
                }
                views.push(inner);
            }
        }
        views.push(raw);
        views
    }

    /// Where `part` of the view stands in the text.
    pub(super) fn place(&self, part: &Range<usize>) -> Range<usize> {
        let Some(places) = &self.places else {
            return part.clone();
        };
        let at = |index: usize| places.get(index).copied().unwrap_or_default();
        at(part.start).0..at(part.end.saturating_sub(1)).1
    }

    /// With each escape replaced by what it stands for. `read` is given what is left, and
    /// says how long the escape is that it begins with.
    fn undo(&self, read: Read) -> View {
        let mut view = View {
            bytes: Vec::with_capacity(self.bytes.len()),
            places: None,
        };
        let mut places = Vec::with_capacity(self.bytes.len());
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let (used, said) = read(rest).unwrap_or_else(|| (1, vec![*byte]));
            let place = self.place(&(at..at + used));
            view.bytes.extend(said);
            places.resize(view.bytes.len(), (place.start, place.end));
            at += used;
        }
        view.places = Some(places);
        view
    }
}

/// Whatever it is.
fn any(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    match rest.first()? {
        b'%' => percent(rest, false),
        b'\\' => backslash(rest),
        b'&' => entity(rest),
        &ESCAPE => color(rest),
        _ => None,
    }
}

/// What colors a terminal's text, and is taken out where that is shown.
fn color(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    let words = rest.strip_prefix(b"\x1b[")?;
    let end = words
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    (words.get(end) == Some(&b'm')).then(|| (end + 3, Vec::new()))
}

fn percent(rest: &[u8], plus: bool) -> Option<(usize, Vec<u8>)> {
    match rest {
        [b'+', ..] if plus => Some((1, b" ".to_vec())),
        [b'%', digits @ ..] => {
            let code = number(digits.get(..2)?, 16)?;
            Some((3, vec![u8::try_from(code).ok()?]))
        }
        _ => None,
    }
}

/// Of JSON, JavaScript, Python and the shell.
fn backslash(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    let [b'\\', kind, digits @ ..] = rest else {
        return None;
    };
    let plain = |byte: u8| Some((2, vec![byte]));
    match kind {
        b'n' => plain(b'\n'),
        b'r' => plain(b'\r'),
        b't' => plain(b'\t'),
        b'b' => plain(8),
        b'f' => plain(12),
        b'x' => {
            let code = number(digits.get(..2)?, 16)?;
            Some((4, vec![u8::try_from(code).ok()?]))
        }
        b'0'..=b'3' => {
            let octal = rest.get(1..4)?;
            let code = number(octal, 8)?;
            Some((4, vec![u8::try_from(code).ok()?]))
        }
        b'u' => unicode(digits),
        b'U' => Some((10, utf8(number(digits.get(..8)?, 16)?)?)),
        other if other.is_ascii_punctuation() => plain(*other),
        _ => None,
    }
}

/// What follows `\u`; a character past 16 bits has two.
fn unicode(digits: &[u8]) -> Option<(usize, Vec<u8>)> {
    let first = number(digits.get(..4)?, 16)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((6, utf8(first)?));
    }
    let second = digits.get(4..10)?.strip_prefix(b"\\u")?;
    let low = number(second, 16)?
        .checked_sub(0xdc00)
        .filter(|low| *low < 0x400)?;
    Some((12, utf8(0x1_0000 + ((first - 0xd800) << 10) + low)?))
}

/// Of HTML.
fn entity(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    const LONGEST: usize = 10;
    let name = rest.strip_prefix(b"&")?;
    let end = name.iter().take(LONGEST).position(|byte| *byte == b';')?;
    let name = name.get(..end)?;
    let said = match name {
        b"amp" => b"&".to_vec(),
        b"lt" => b"<".to_vec(),
        b"gt" => b">".to_vec(),
        b"quot" => b"\"".to_vec(),
        b"apos" => b"'".to_vec(),
        [b'#', b'x' | b'X', digits @ ..] => utf8(number(digits, 16)?)?,
        [b'#', digits @ ..] => utf8(number(digits, 10)?)?,
        _ => return None,
    };
    Some((end + 2, said))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(text, radix).ok().filter(|_| plain)
}

fn utf8(code: u32) -> Option<Vec<u8>> {
    char::from_u32(code).map(|c| c.to_string().into_bytes())
}
