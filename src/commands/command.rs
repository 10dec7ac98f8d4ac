//! `tollgate command`: does what somebody asked for in a comment on a pull request.
//!
//! Must not run or read anything of the pull request.

use super::publish;
use crate::cli;
use crate::failure::Failure;
use crate::github::commands::{self, Accepted, Command};
use crate::github::event::{Context, Situation};
use crate::github::{Client, pulls, workflow};
use crate::measure::progress::note;
use crate::report;

/// Does it. Sets the outputs `todo` (`nothing`, or `publish` after an acceptance) and `run`: the run
/// of the workflow whose artifact has the samples.
pub async fn command(arguments: &cli::CommandOf) -> Result<(), Failure> {
    let context = Context::of_environment()?;
    let done = obey(arguments, &context).await?;
    let outputs = match done {
        Some(run) => [("todo", "publish".to_owned()), ("run", run.to_string())],
        None => [("todo", "nothing".to_owned()), ("run", String::new())],
    };
    workflow::output(&outputs).map_err(|source| Failure::Write {
        path: "GITHUB_OUTPUT".into(),
        source,
    })
}

/// The run to publish again.
async fn obey(arguments: &cli::CommandOf, context: &Context) -> Result<Option<u64>, Failure> {
    let Situation::Comment {
        number,
        author,
        body,
    } = &context.situation
    else {
        return Err(Failure::Usage(
            "this runs for the event `issue_comment`".to_owned(),
        ));
    };
    let Some(command) = commands::parse(body) else {
        note("the comment is no command");
        return Ok(None);
    };
    let client = publish::client(&arguments.token, context)?;
    if !commands::may_write(&client, author).await? {
        note("the author of the comment may not write to this repository");
        return Ok(None);
    }
    let command = match command {
        Ok(command) => command,
        Err(why) => return refuse(&client, *number, &why).await,
    };
    let pull = pulls::get(&client, *number).await?;
    let us = publish::login(&client).await;
    let shown = commands::shown(&client, *number, &arguments.id, &us).await?;
    let Some(shown) = shown else {
        let why = "nothing was measured yet, so there is nothing to accept or to run again";
        return refuse(&client, *number, why).await;
    };
    match command {
        Command::Rerun => {
            commands::rerun(&client, shown.order.run).await?;
            Ok(None)
        }
        Command::Accept { .. } if shown.head != pull.head.sha => {
            let why = "there is a newer commit than the one that was measured; wait for its result";
            refuse(&client, *number, why).await
        }
        Command::Accept {
            metric,
            up_to,
            because,
        } => {
            let accepted = Accepted {
                id: arguments.id.clone(),
                head: pull.head.sha,
                metric,
                up_to,
                by: author.clone(),
                because,
            };
            let words = in_words(&accepted);
            commands::record(&client, *number, &accepted, &words).await?;
            Ok(Some(shown.order.run))
        }
    }
}

async fn refuse(client: &Client, pull: u64, why: &str) -> Result<Option<u64>, Failure> {
    note(why);
    commands::answer(client, pull, &format!("❔ **Tollgate:** {why}.")).await?;
    Ok(None)
}

fn in_words(accepted: &Accepted) -> String {
    let limit = match accepted.up_to {
        Some(limit) => format!(" up to {} %", limit * 100.0),
        None => String::new(),
    };
    format!(
        "✍️ **Tollgate:** `{}` accepts `{}`{limit} for {} because {}",
        accepted.by,
        report::plain(&accepted.metric).replace('`', "'"),
        accepted.head,
        report::inert(&accepted.because),
    )
}
