//! A text as it reads once the escapes in it are undone, which still knows where everything
//! stands in what was written.

use std::ops::Range;

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
        let mut views = Vec::new();
        if raw.bytes.contains(&b'%') {
            views.push(raw.undo(|rest| percent(rest, false)));
        }
        if raw.bytes.contains(&b'+') {
            views.push(raw.undo(|rest| percent(rest, true)));
        }
        if raw.bytes.contains(&b'\\') {
            let once = raw.undo(backslash);
            // JSON within JSON.
            if once.bytes.contains(&b'\\') {
                views.push(once.undo(backslash));
            }
            views.push(once);
        }
        if raw.bytes.contains(&b'&') {
            views.push(raw.undo(entity));
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
    fn undo(&self, read: impl Fn(&[u8]) -> Option<(usize, Vec<u8>)>) -> View {
        let mut view = View {
            bytes: Vec::with_capacity(self.bytes.len()),
            places: None,
        };
        let mut places = Vec::with_capacity(self.bytes.len());
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let (used, said) = read(rest).unwrap_or_default();
            let used = used.max(1);
            let place = self.place(&(at..at + used));
            match said.is_empty() {
                true => view.bytes.push(*byte),
                false => view.bytes.extend(said),
            }
            places.resize(view.bytes.len(), (place.start, place.end));
            at += used;
        }
        view.places = Some(places);
        view
    }
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
