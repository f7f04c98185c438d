use crate::dotenv::*;

fn read(text: &str) -> Vec<(String, String)> {
    parse(text)
        .unwrap()
        .into_iter()
        .map(|(name, value)| (name, value.expose().to_owned()))
        .collect()
}

#[test]
fn every_way_to_write_a_value_is_read() {
    let cases = [
        ("A=b", "b"),
        ("A=", ""),
        ("A=\"\"", ""),
        ("  A = b c  ", "b c"),
        ("export A=b\r\n", "b"),
        ("\u{feff}A=b", "b"),
        ("A=postgres://u:p@h/db?x=y&z=1", "postgres://u:p@h/db?x=y&z=1"),
        ("A=ab#c", "ab#c"),
        ("A=ab #c", "ab"),
        ("A= # only a comment", ""),
        ("A=$HOME ${B}", "$HOME ${B}"),
        ("A=it's", "it's"),
        ("A='$x \\n \"#'", "$x \\n \"#"),
        ("A=\"a \\\"b\\\" \\\\ \\$c\\n#\\w\" # note", "a \"b\" \\ $c\n#\\w"),
        ("A='b' ", "b"),
        ("A=\"-----BEGIN\nx=y\n-----END\"\n", "-----BEGIN\nx=y\n-----END"),
        ("A=old\n\n# A=no\nA=new", "new"),
        ("A=ü🦀", "ü🦀"),
    ];
    for (text, value) in cases {
        assert_eq!(read(text), [("A".to_owned(), value.to_owned())], "{text}");
    }
    assert_eq!(read("# nothing\n\n   \n"), []);
    assert_eq!(read("A=\"1\n2\"\nB='3'\nC=4").len(), 3);
}

#[test]
fn a_broken_line_is_named_without_its_value() {
    let cases = [
        ("A=1\nhunter2secret\n", "line 2: expected `NAME=value`"),
        (
            "A=1\n\nB='hunter2secret\n",
            "line 3: the quote that begins here is never closed",
        ),
        (
            "A=\"x\ny\"\nB=\"hunter2secret\\",
            "line 3: the quote that begins here is never closed",
        ),
        (
            "A=\"hunter2\" secret",
            "line 1: there is text after the closing quote",
        ),
        ("A=hunter2\0secret", "line 1: a value cannot hold a NUL character"),
    ];
    for (text, message) in cases {
        assert_eq!(parse(text).unwrap_err().to_string(), message);
    }
    for name in ["1A", "A-B", "A B", "", "Ä", "export 1"] {
        let expected = "line 1: a name consists of letters, digits and `_` and does not begin with a digit";
        let error = parse(&format!("{name}=x")).unwrap_err();
        assert_eq!(error.to_string(), expected, "{name}");
    }
    assert_eq!(read("export=x")[0].0, "export");
}

#[test]
fn a_value_does_not_print_itself() {
    let variables = parse("A=hunter2secret").unwrap();
    let shown = format!("{variables:?} {:?}", Redactor::new(&variables));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn values_are_replaced_by_their_names() {
    let text = "KEY=hunter2secret\nLONGER=hunter2secret-and-more\nPIN=12a4\nDEBUG=true\nENV=production\nA=1\n\
                DATABASE_URL=postgres://shop:p4ssw0rd@db/shop\nPEM=\"-----BEGIN KEY-----\\nMIIE1234\"\nWORD=LONGER\n\
                UNICODE=pässwörd";
    let redactor = Redactor::new(&parse(text).unwrap());
    let cases = [
        ("got hunter2secret, hunter2secret-and-more", "got [KEY], [LONGER]"),
        ("hunter2secrethunter2secret", "[KEY][KEY]"),
        (
            "pin 12a4, true in production, 1",
            "pin [PIN], true in production, 1",
        ),
        (
            "postgres://shop:p4ssw0rd@db/shop refused, password p4ssw0rd",
            "[DATABASE_URL] refused, password [DATABASE_URL]",
        ),
        ("  MIIE1234", "  [PEM]"),
        ("ü pässwörd 🦀", "ü [UNICODE] 🦀"),
        ("nothing", "nothing"),
        ("", ""),
    ];
    for (text, shown) in cases {
        assert_eq!(redactor.redact(text), shown);
    }
    assert_eq!(Redactor::default().redact("hunter2secret"), "hunter2secret");
}

#[test]
fn a_value_that_others_would_expand_is_found_by_its_line() {
    let text = "A=1\nHOME_OF=${HOME}/x\n# B=${NO}\nC='${MEANT}'\nD=\"a\n${E}\"\nF=\"\\${ESCAPED}\"\nG=$PLAIN\n\
                H=p${w{rd\nexport I=x # ${COMMENT}\nJ=postgres://${USER}:x@h\n";
    let found: Vec<(usize, String, String)> = literals(text)
        .into_iter()
        .map(|literal| (literal.line, literal.name, literal.reference))
        .collect();
    let expected = [(2, "HOME_OF", "${HOME}"), (5, "D", "${E}"), (11, "J", "${USER}")];
    let expected = expected.map(|(line, name, reference)| (line, name.to_owned(), reference.to_owned()));
    assert_eq!(found, expected);
}
