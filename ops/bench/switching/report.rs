//! What is written: JSON for programs, a table and a picture for people.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::contest::Outcome;
use crate::figures::Figures;
use crate::scale::Scale;
use crate::{plot, table};

/// All of it.
pub struct Report {
    scale: Scale,
    outcome: Outcome,
    took: Duration,
}

impl Report {
    /// Of a run that took so long.
    pub fn of(scale: &Scale, outcome: Outcome, took: Duration) -> Report {
        Report {
            scale: *scale,
            outcome,
            took,
        }
    }

    /// Into `bench-results`.
    pub fn write(&self) {
        let folder = results();
        fs::create_dir_all(&folder).unwrap();
        let whole = serde_json::to_string_pretty(&self.whole()).unwrap();
        fs::write(folder.join("switch.json"), whole + "\n").unwrap();
        fs::write(folder.join("switch.md"), self.markdown()).unwrap();
        fs::write(folder.join("switch.svg"), plot::svg(&self.outcome.panels)).unwrap();
    }

    /// The tables.
    pub fn markdown(&self) -> String {
        table::markdown(&self.whole())
    }

    /// The sums, in one line of JSON; null for what is not here.
    pub fn last_line(&self) -> Value {
        json!({
            "bg_live_failed": self.failed("bg live"),
            "bg_auto_failed": self.failed("bg auto"),
            "bg_reload_failed": self.failed("bg reload"),
            "script_failed": self.failed("script"),
            "haproxy_failed": self.failed("haproxy"),
            "caddy_failed": self.failed("caddy"),
            "pm2_reload_failed": self.failed("pm2 reload"),
            "pm2_restart_failed": self.failed("pm2 restart"),
            "live_vs_script": self.against_script(self.first_ms("bg live")),
            "reload_vs_script": self.against_script(self.first_ms("bg reload")),
            "rollback_vs_script": self.against_script(self.outcome.rollback.first_ms),
            "status_ms": self.outcome.status_ms,
            "startup_ms": self.outcome.startup_ms,
            "auto_requests": self.row("bg auto").map(|row| row.requests),
            "auto_switches": self.row("bg auto").map(|row| row.switches),
            "scale": self.scale.name,
            "took_s": self.took.as_secs(),
        })
    }

    fn whole(&self) -> Value {
        json!({
            "date": jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            "scale": self.scale.name,
            "window": self.scale.window,
            "machine": self.outcome.machine,
            "sums": self.last_line(),
            "rollback": self.outcome.rollback,
            "mechanisms": self.outcome.figures,
            "missing": self.outcome.missing,
        })
    }

    fn row(&self, mechanism: &str) -> Option<&Figures> {
        let mut rows = self.outcome.figures.iter();
        rows.find(|row| row.mechanism == mechanism)
    }

    fn failed(&self, mechanism: &str) -> Option<usize> {
        self.row(mechanism).map(|row| row.failed)
    }

    fn first_ms(&self, mechanism: &str) -> f64 {
        self.row(mechanism).map_or(f64::NAN, |row| row.times.first_ms)
    }

    /// To a hundredth.
    fn against_script(&self, first_ms: f64) -> f64 {
        (first_ms / self.first_ms("script") * 100.0).round() / 100.0
    }
}

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bench-results")
}
