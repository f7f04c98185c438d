use std::fmt::Write;

use proptest::prelude::*;

use crate::dotenv::redactor::*;

fn guard(name: &str, value: &str) -> Redactor {
    let variables = Variables::from([(name.to_owned(), Value(value.to_owned()))]);
    Redactor::new(&variables)
}

/// Written without a look at ours.
fn base64(bytes: &[u8], last: [char; 2], padded: bool) -> String {
    let mut alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
    alphabet.extend(last);
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let count = three.len() + 1;
        text.extend((0..count).map(|at| alphabet[(bits >> (18 - 6 * at)) as usize & 63]));
        text.extend((count..4).filter(|_| padded).map(|_| '='));
    }
    text
}

fn percent(text: &str, keep: impl Fn(u8) -> bool, upper: bool, plus: bool) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' if plus => escaped.push('+'),
            byte if keep(byte) => escaped.push(byte.into()),
            byte if upper => write!(escaped, "%{byte:02X}").unwrap(),
            byte => write!(escaped, "%{byte:02x}").unwrap(),
        }
    }
    escaped
}

fn hex(text: &str, upper: bool) -> String {
    let mut shown = String::new();
    for byte in text.bytes() {
        write!(shown, "{byte:02x}").unwrap();
    }
    if upper { shown.to_uppercase() } else { shown }
}

fn json_ascii(text: &str) -> String {
    let mut shown = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit).map(char::from) {
            Ok(c) if c.is_ascii_alphanumeric() => shown.push(c),
            Ok('/') => shown.push_str("\\/"),
            _ => write!(shown, "\\u{unit:04x}").unwrap(),
        }
    }
    shown
}

/// Each form in which `secret` may stand in a text of its own.
fn forms(secret: &str) -> Vec<String> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let json = serde_json::to_string(secret).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let twice = serde_json::to_string(&json).unwrap();
    let mut forms = vec![
        secret.to_owned(),
        hex(secret, false),
        hex(secret, true),
        percent(secret, unreserved, true, false),
        percent(secret, unreserved, false, false),
        percent(secret, unreserved, true, true),
        percent(secret, |byte| unreserved(byte) || byte == b'/', true, false),
        percent(secret, |_| false, true, false),
        json_ascii(secret),
        json.replace('/', "\\/"),
        json,
        twice[1..twice.len() - 1].to_owned(),
    ];
    for last in [['+', '/'], ['-', '_']] {
        for padded in [true, false] {
            forms.push(base64(secret.as_bytes(), last, padded));
        }
    }
    forms
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The rule that everything printed and written stands on.
    #[test]
    fn no_text_keeps_a_secret_in_any_form(
        secret in "[ -~äß🦀]{6,60}".prop_filter("no spaces around", |text| text.trim().len() >= 6 && text.trim() == text),
        before in "[ -\\[\\]-~\n]{0,40}",
        after in "[ -\\[\\]-~\n]{0,40}",
    ) {
        let redactor = guard("K", &secret);
        for form in forms(&secret) {
            let text = format!("{before} {form} {after}");
            let shown = redactor.redact(&text);
            prop_assert!(!shown.contains(&form) || "[K]".contains(&form), "{form:?} in {shown:?}");
            prop_assert!(shown.contains("[K]"), "{form:?}: {shown:?}");
        }
    }

    /// What stands in a longer text that was encoded as a whole.
    #[test]
    fn no_encoded_text_keeps_a_secret_in_it(
        secret in "[!-~ä🦀]{6,60}",
        before in proptest::collection::vec(any::<u8>(), 0..9),
        after in proptest::collection::vec(any::<u8>(), 0..9),
        cut in 20_usize..80,
    ) {
        let redactor = guard("K", &secret);
        let whole = [before.as_slice(), secret.as_bytes(), after.as_slice()].concat();
        for last in [['+', '/'], ['-', '_']] {
            let shown = redactor.redact(&base64(&whole, last, true));
            let (head, tail) = shown.split_once('[').unwrap_or_else(|| panic!("{shown}"));
            let tail = tail.rsplit_once(']').unwrap().1;
            // No bit of it is left: what stands there decodes to no more than what is around it.
            prop_assert!(head.len() * 6 / 8 <= before.len(), "{shown}");
            prop_assert!(tail.trim_end_matches('=').len() * 6 / 8 <= after.len(), "{shown}");
        }
        // A program that wraps its lines leaves at most what is too short to be known.
        let encoded = base64(&whole, ['+', '/'], true);
        let lines: Vec<&str> = encoded.as_bytes().chunks(cut).map(|line| std::str::from_utf8(line).unwrap()).collect();
        for line in lines.iter().filter(|line| line.len() >= 48) {
            prop_assert!(secret.len() < 40 || redactor.redact(line) != **line, "{line}");
        }
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is(text in "[a-f0-9%&\\\\ \n]{0,200}") {
        prop_assert_eq!(guard("K", "Zw0lf-Boxk4empfer").redact(&text), text);
    }
}

#[test]
fn a_short_secret_counts_as_a_word() {
    let cases = [
        (
            "WORD",
            "abc",
            "abc abcd xabc a-abc.",
            "[WORD] abcd xabc a-[WORD].",
        ),
        ("WORD", "abc", "YWJj 616263 YWJjZA==", "[WORD] [WORD] YWJjZA=="),
        ("WORD", "kumquat", "kumquats", "[WORD]s"),
        ("LEVEL", "info", "info", "info"),
        (
            "DB_PASSWORD",
            "info",
            "info or information",
            "[DB_PASSWORD] or information",
        ),
        ("LIMIT", "200", "status 200", "status 200"),
        ("PIN", "200", "status 200, 2000", "status [PIN], 2000"),
        ("A", "1", "1 of 11", "1 of 11"),
        ("PIN", "1", "1 of 11", "1 of 11"),
        ("B", "x7", "x7", "x7"),
        (
            "CODE",
            "a1b2",
            "xa1b2x 61316232 YTFiMg==",
            "x[CODE]x [CODE] [CODE]==",
        ),
    ];
    for (name, value, text, shown) in cases {
        assert_eq!(guard(name, value).redact(text), shown, "{name}={value}");
    }
}

#[test]
fn an_excerpt_that_ends_within_a_secret_shows_none_of_it() {
    let redactor = guard("K", "correct-horse-battery");
    for (text, shown) in [
        (
            "500: it said: the key is correct-ho...; tried again",
            "500: it said: the key is [K]...; tried again",
        ),
        ("key=Y29ycmVjdC1ob3...", "key=[K]..."),
        ("key=636f72726...", "key=[K]..."),
        ("that is cor...", "that is cor..."),
        ("...", "..."),
    ] {
        assert_eq!(redactor.redact(text), shown);
    }
}

#[test]
fn a_value_of_several_lines_counts_line_by_line() {
    let key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\n/+first line of it\n-----END KEY-----";
    let redactor = guard("PEM", key);
    for line in key.lines() {
        for form in forms(line) {
            let shown = redactor.redact(&format!("at {form} end"));
            assert_eq!(shown.replace('=', ""), "at [PEM] end", "{form}");
        }
    }
    let text = serde_json::to_string(key).unwrap();
    let shown = redactor.redact(&text);
    assert!(!shown.contains("MIIE") && !shown.contains("first"), "{shown}");
    let shown = redactor.redact(&base64(key.as_bytes(), ['+', '/'], true));
    assert!(shown.starts_with("[PEM]"), "{shown}");
}

#[test]
fn other_escapes_are_undone_too() {
    let redactor = guard("K", "it's <&> \"a\" p4ss");
    for text in [
        "it&#39;s &lt;&amp;&gt; &#34;a&#34; p4ss",
        "it&#x27;s &lt;&amp;&gt; &quot;a&quot; p4ss",
        "it\\'s <&> \\\"a\\\" p4ss",
        "it\\x27s\\x20<&> \"a\" p4ss",
    ] {
        assert_eq!(redactor.redact(&format!("x {text} y")), "x [K] y", "{text}");
    }
}

/// Ten times the text may cost ten times as much, with room for a busy machine.
#[test]
fn a_text_that_repeats_a_part_of_a_secret_costs_no_more_than_its_length() {
    let redactor = guard("K", &"a".repeat(4000));
    let began = std::time::Instant::now();
    assert_eq!(redactor.redact(&"61".repeat(20_000)), "[K]".to_owned());
    let short = began.elapsed();
    let began = std::time::Instant::now();
    assert_eq!(redactor.redact(&"61".repeat(200_000)).matches("[K]").count(), 1);
    assert!(
        began.elapsed() < short * 100,
        "{short:?} and {:?}",
        began.elapsed()
    );
}

/// One kind of escape within another, as a text has that went through several hands.
#[test]
fn a_secret_is_taken_out_however_deep_it_is_escaped() {
    let secret = "p@ss:w/rd!\"Zq9";
    let redactor = guard("TOKEN", secret);
    let url = |text: &str| percent(text, |byte| byte.is_ascii_alphanumeric(), true, false);
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let html = |text: &str| {
        let named = |c: char| match c {
            '&' => "&amp;".to_owned(),
            '"' => "&quot;".to_owned(),
            '@' => "&#64;".to_owned(),
            c => c.to_string(),
        };
        text.chars().map(named).collect::<String>()
    };
    let octal = |text: &str| {
        let shown = |byte: u8| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("\\{byte:03o}"),
        };
        text.bytes().map(shown).collect::<String>()
    };
    let colored = |text: &str| {
        let (first, rest) = text.split_at(4);
        format!("\x1b[1;31m{first}\x1b[0m\x1b[38:5:1m{rest}\x1b[m")
    };
    let texts = [
        url(&url(secret)),
        url(&url(&url(secret))),
        json(&url(secret)),
        json_ascii(&url(secret)),
        json(&html(secret)),
        html(&html(secret)),
        json(&json(&json(secret))),
        octal(secret),
        colored(secret),
        json(&colored(secret)),
        url(&json(secret)),
    ];
    for text in &texts {
        let shown = redactor.redact(&format!("before {text} after"));
        assert!(shown.contains("[TOKEN]"), "{text:?}: {shown:?}");
        assert!(
            shown.starts_with("before ") && shown.ends_with(" after"),
            "{shown:?}"
        );
    }
    assert_eq!(texts.len(), 11);
    let innocent = "100%25 of \\u0041 &amp; \x1b[1mbold\x1b[0m";
    assert_eq!(redactor.redact(innocent), innocent);
}
