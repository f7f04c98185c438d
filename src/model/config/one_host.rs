//! What of a `bg.toml` for several hosts one of them has to know.

use super::Config;
use super::fleet::Fleet;
use super::worker::Worker;

impl Config {
    /// The worker of that name.
    #[must_use]
    pub fn worker(&self, name: &str) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.name == name)
    }

    /// What the host of this name has to know: its own workers, and not which other hosts
    /// there are.
    #[must_use]
    pub fn of_host(self, host: &str, primary: bool) -> Config {
        self.with_workers_where(|worker| worker.is_for(host, primary))
    }

    /// The same where nobody says which of its hosts this is: the only one, or else one that
    /// goes on with the workers that it has.
    #[must_use]
    pub fn of_this_host(self, applied: Option<&Config>) -> Config {
        let alone = self.hosts.len() <= 1;
        self.with_workers_where(|worker| {
            alone || applied.is_some_and(|applied| applied.worker(&worker.name).is_some())
        })
    }

    /// What a host has to know: not which others there are.
    #[must_use]
    pub fn of_one_host(self) -> Config {
        Config {
            hosts: Vec::new(),
            fleet: Fleet::default(),
            ..self
        }
    }

    fn with_workers_where(self, stays: impl Fn(&Worker) -> bool) -> Config {
        let mut config = self.of_one_host();
        config.workers.retain(stays);
        for worker in &mut config.workers {
            worker.hosts.clear();
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read::parse;
    use super::*;

    fn config(hosts: &str) -> Config {
        let text = format!(
            r#"
            app = "shop"
            root = "/srv/shop"
            hosts = [{hosts}]
            source.git = "/home/you/shop"
            process.run = "gunicorn -b 127.0.0.1:{{{{ port }}}} app:app"
            process.ports = {{ blue = 5001, green = 5002 }}
            nginx.server_names = ["example.com"]
            [[worker]]
            name = "sync"
            run = "python sync.py"
            [[worker]]
            name = "mail"
            run = "python mail.py"
            hosts = ["web2"]
            "#
        );
        parse(&text, Path::new("bg.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn names(config: &Config) -> Vec<&str> {
        config.workers.iter().map(|worker| worker.name.as_str()).collect()
    }

    #[test]
    fn a_host_hears_of_its_own_workers_only() {
        let both = || config(r#""web1", "web2""#);
        let (first, second) = (both().of_host("web1", true), both().of_host("web2", false));
        assert_eq!(names(&first), ["sync"]);
        assert_eq!(names(&second), ["mail"]);
        assert!(second.hosts.is_empty() && second.workers[0].hosts.is_empty());
    }

    #[test]
    fn a_host_that_nobody_names_goes_on_with_what_it_has() {
        let both = || config(r#""web1", "web2""#);
        let applied = both().of_host("web2", false);
        assert_eq!(names(&both().of_this_host(Some(&applied))), ["mail"]);
        assert!(names(&both().of_this_host(None)).is_empty());
        assert_eq!(names(&config(r#""web2""#).of_this_host(None)), ["sync", "mail"]);
    }
}
