//! Where the files of a deploy come from: all of that happens here, at whoever types, before
//! a host hears of it.

pub mod bundle;
mod message;

use model::failure::{Failure, Kind};
use release::bundle::Bundle;

use super::args::Verb;
use super::context::Context;
use crate::ui::Ui;

/// Does what has to be done here for `verb`: the command that is left then, and what has to
/// be brought to each host for it.
///
/// # Errors
/// When there is nothing that could be deployed; nothing was asked of a host then.
pub async fn prepare(
    mut verb: Verb,
    context: &Context,
    afar: bool,
    ui: Ui,
) -> Result<(Verb, Option<Bundle>), Failure> {
    let Verb::Deploy {
        reference,
        plan,
        origin,
        ..
    } = &mut verb
    else {
        return Ok((verb, None));
    };
    let mut bundle = None;
    if let Some(path) = origin.from.take() {
        let packed = bundle::pack(&path, origin.message.take(), context, ui).await?;
        *reference = Some(packed.uploaded.commit.clone());
        origin.uploaded = Some(packed.uploaded.clone());
        bundle = Some(packed);
    } else if let Some(message) = origin.message.take() {
        if *plan {
            let both = Failure::new(
                Kind::Usage,
                "`-m` commits and pushes, and `--plan` changes nothing",
            );
            return Err(both.hint("leave one of them out"));
        }
        *reference = Some(message::send(&message, origin.yes, context, afar, ui).await?);
    } else {
        message::point_out(reference.as_deref(), context, ui).await;
    }
    Ok((verb, bundle))
}
