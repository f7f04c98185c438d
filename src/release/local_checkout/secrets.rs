//! Files that are secrets by their name.

use std::path::Path;

/// What ends so holds a private key, or keys and passwords.
const ENDINGS: [&str; 7] = [".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx"];

/// Files of these names hold passwords or keys.
const NAMES: [&str; 14] = [
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".git-credentials",
    ".pypirc",
    ".npmrc",
    "credentials.json",
    "client_secret.json",
    "secrets.toml",
];

/// An environment file of such an ending shows what one looks like, and is no secret.
const SAMPLES: [&str; 5] = ["example", "sample", "template", "dist", "defaults"];

/// Whether a file is a secret, going by its name alone.
#[must_use]
pub fn looks_secret(path: &Path) -> bool {
    let Some(name) = path.file_name() else {
        return false;
    };
    let name = name.to_string_lossy().to_lowercase();
    let is_sample = SAMPLES.iter().any(|ending| name.ends_with(&format!(".{ending}")));
    let is_env = name == ".env" || (name.starts_with(".env.") && !is_sample);
    is_env || NAMES.contains(&name.as_str()) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use crate::local_checkout::secrets::*;

    #[test]
    fn environment_files_and_keys_are_secrets_and_samples_are_not() {
        let secret = [
            ".env",
            "deep/.env.production",
            "tls/shop.key",
            "a.pem",
            "ID_RSA",
            ".pgpass",
        ];
        let open = [
            ".env.example",
            ".env.prod.sample",
            "env.py",
            "id_rsa.pub",
            "keyboard.py",
            "key",
            ".envrc-notes.md",
        ];
        for name in secret {
            assert!(looks_secret(Path::new(name)), "{name}");
        }
        for name in open {
            assert!(!looks_secret(Path::new(name)), "{name}");
        }
    }
}
