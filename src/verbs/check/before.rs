//! The checks that a deploy begins with: what would stop it half-way, or lose requests, as far
//! as that can be seen in milliseconds; or all there are.

use engine::app::App;
use model::event::{Event, Sink, Warning};
use model::failure::Failure;

use super::finding::{Finding, Level, Report};
use super::{app as settings, machine};

/// How much is looked at before a deploy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Nothing.
    None,
    /// What takes milliseconds: files and the kernel's tables.
    #[default]
    Quick,
    /// Everything that `bg check` looks at: seconds.
    Full,
}

/// Looks, tells what should be looked at, and stops for what stands in the way.
///
/// # Errors
/// The first finding that stands in the way; nothing has been touched.
pub async fn before_deploy(app: &App, depth: Depth, sink: &dyn Sink) -> Result<(), Failure> {
    let report = match depth {
        Depth::None => return Ok(()),
        Depth::Quick => quick(app).await,
        Depth::Full => super::check(&app.config).await?,
    };
    let (wrong, rest): (Vec<Finding>, Vec<Finding>) = report
        .findings
        .into_iter()
        .filter(|finding| finding.level != Level::Fine)
        .partition(|finding| finding.level == Level::Error);
    let mut wrong = wrong.into_iter();
    let first = wrong.next();
    for finding in rest.into_iter().chain(wrong) {
        sink.emit(Event::Warned(Warning::CheckFound {
            subject: finding.subject,
            found: finding.found,
            fix: finding.fix,
        }));
    }
    match first {
        None => Ok(()),
        Some(finding) => Err(refused(finding)),
    }
}

async fn quick(app: &App) -> Report {
    let mut report = Report::default();
    machine::disk(&mut report, app);
    settings::settings(&mut report, app);
    settings::next_port(&mut report, app).await;
    report
}

fn refused(finding: Finding) -> Failure {
    let failure = Failure::failed(format!("{}: {}", finding.subject, finding.found));
    let failure = finding.fix.into_iter().fold(failure, Failure::hint);
    failure.hint("`--checks none` deploys without checks")
}
