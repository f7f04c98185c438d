//! Certificates of every kind, made by openssl: a root, an intermediate below it, and what they
//! sign.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A root with an intermediate.
pub(super) struct Authority {
    folder: PathBuf,
    name: String,
}

/// What is wished for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Names of the certificate, the first its common name too.
    pub(super) names: Vec<&'static str>,
    /// Whether it has a subjectAltName.
    pub(super) alternative: bool,
    /// Days from now, and a half.
    pub(super) from: i64,
    /// Days from now, and a half.
    pub(super) until: i64,
    /// As openssl calls it.
    pub(super) digest: &'static str,
    /// `ec`, or bits of an RSA key.
    pub(super) key: &'static str,
    /// `extendedKeyUsage`.
    pub(super) usage: &'static str,
    /// Where the intermediate can be fetched.
    pub(super) issuer_at: Option<String>,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish {
            names: vec!["shop.test"],
            alternative: true,
            from: -1,
            until: 90,
            digest: "sha256",
            key: "ec",
            usage: "serverAuth",
            issuer_at: None,
        }
    }
}

const SETTINGS: &str = "\
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
";

impl Authority {
    /// A new one, whose intermediate is valid until so many days from now.
    pub(super) fn new(folder: &Path, name: &str, until: i64) -> Authority {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("settings"), SETTINGS).unwrap();
        fs::write(folder.join("index.txt"), "").unwrap();
        let authority = Authority {
            folder: folder.to_owned(),
            name: name.to_owned(),
        };
        let root = format!("{name} Root");
        authority.request("root", &root, "ec");
        let ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
        authority.sign("root", None, ca, (-400, 3650), "sha256");
        authority.request("inter", &format!("{name} R1"), "ec");
        authority.sign("inter", Some("root"), ca, (-300, until), "sha256");
        authority
    }

    /// The intermediate's name.
    pub(super) fn signer(&self) -> String {
        format!("{} R1", self.name)
    }

    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    pub(super) fn intermediate(&self) -> String {
        fs::read_to_string(self.folder.join("inter.pem")).unwrap()
    }

    /// The intermediate as authorities publish it.
    pub(super) fn intermediate_der(&self) -> Vec<u8> {
        self.openssl(&["x509", "-in", "inter.pem", "-outform", "DER", "-out", "inter.der"]);
        fs::read(self.folder.join("inter.der")).unwrap()
    }

    /// A certificate of the intermediate and its key.
    pub(super) fn issue(&self, wish: &Wish) -> (String, String) {
        self.made(wish, Some("inter"))
    }

    /// One that nobody signed but itself.
    pub(super) fn self_signed(&self, wish: &Wish) -> (String, String) {
        self.made(wish, None)
    }

    fn made(&self, wish: &Wish, by: Option<&str>) -> (String, String) {
        self.request("leaf", wish.names[0], wish.key);
        let mut extensions = format!("basicConstraints=CA:FALSE\nextendedKeyUsage={}\n", wish.usage);
        if wish.alternative {
            let names: Vec<String> = wish.names.iter().map(|name| format!("DNS:{name}")).collect();
            extensions += &format!("subjectAltName={}\n", names.join(","));
        }
        if let Some(url) = &wish.issuer_at {
            extensions += &format!("authorityInfoAccess=caIssuers;URI:{url}\n");
        }
        self.sign("leaf", by, &extensions, (wish.from, wish.until), wish.digest);
        let read = |file: &str| fs::read_to_string(self.folder.join(file)).unwrap();
        (read("leaf.pem"), read("leaf.key"))
    }

    fn request(&self, file: &str, name: &str, key: &str) {
        let kind = match key {
            "ec" => "ec".to_owned(),
            bits => format!("rsa:{bits}"),
        };
        let curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"];
        let more: &[&str] = if key == "ec" { &curve } else { &[] };
        let (subject, out, to) = (
            format!("/CN={name}"),
            format!("{file}.csr"),
            format!("{file}.key"),
        );
        let mut args = vec!["req", "-config", "settings", "-new", "-nodes", "-newkey", &kind];
        args.extend(more);
        args.extend(["-subj", &subject, "-keyout", &to, "-out", &out]);
        self.openssl(&args);
    }

    fn sign(&self, file: &str, by: Option<&str>, extensions: &str, days: (i64, i64), digest: &str) {
        fs::write(self.folder.join("extensions"), extensions).unwrap();
        let now = jiff::Timestamp::now();
        // Half a day more, so that no second decides how many days are left.
        let date = |days: i64| {
            let at = now.as_second() + days * 86_400 + 43_200;
            let at = jiff::Timestamp::from_second(at).unwrap();
            at.strftime("%Y%m%d%H%M%SZ").to_string()
        };
        let (start, end) = (date(days.0), date(days.1));
        let (request, out, own) = (
            format!("{file}.csr"),
            format!("{file}.pem"),
            format!("{file}.key"),
        );
        let mut args = vec!["ca", "-config", "settings", "-batch", "-notext", "-md", digest];
        args.extend(["-startdate", &start, "-enddate", &end, "-extfile", "extensions"]);
        args.extend(["-in", &request, "-out", &out]);
        let (certificate, key) = by.map_or((String::new(), String::new()), |by| {
            (format!("{by}.pem"), format!("{by}.key"))
        });
        match by {
            Some(_) => args.extend(["-cert", &certificate, "-keyfile", &key]),
            None => args.extend(["-selfsign", "-keyfile", &own]),
        }
        self.openssl(&args);
    }

    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl")
            .args(args)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "openssl {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
