//! `tollgate command`: does what somebody asked for in a comment on a pull request.
//!
//! Must not run or read anything of the pull request.

use super::publish;
use crate::cli;
use crate::failure::Failure;
use crate::github::acceptances::{self, Accepted};
use crate::github::commands::{self, Asked, Command};
use crate::github::event::{Context, Said, Situation};
use crate::github::{Client, pulls, workflow};
use crate::measure::progress::note;
use crate::model::worse::written;
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
        said,
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
    let asked = publish::asked(&client, context, *number).await;
    let command = match command {
        Ok(command) => command,
        Err(why) => return refuse(&client, &asked, &why).await,
    };
    let pull = pulls::get(&client, *number).await?;
    let shown = commands::shown(&client, &pull, &arguments.id, &asked.author).await?;
    let Some(shown) = shown else {
        let why = "nothing was measured yet, so there is nothing to accept or to run again";
        return refuse(&client, &asked, why).await;
    };
    let Command::Accept {
        metric,
        up_to,
        because,
    } = command
    else {
        let Err(error) = commands::rerun(&client, shown.marker.order.run).await else {
            return Ok(None);
        };
        // A run that is too old, or still running.
        let answered = refuse(&client, &asked, &report::inert(&error.to_string())).await;
        return if error.is_about_the_thing() {
            answered
        } else {
            Err(error.into())
        };
    };
    if shown.marker.head != pull.head.sha {
        let why = "there is a newer commit than the one that was measured; wait for its result";
        return refuse(&client, &asked, why).await;
    }
    let words = match acceptances::said(&client, *number, said, author).await? {
        Ok(words) => words,
        Err(why) => return refuse(&client, &asked, &format!("nothing is accepted: {why}")).await,
    };
    let before = acceptances::of(
        &client,
        *number,
        &arguments.id,
        &pull.head.sha,
        &asked.author,
    )
    .await?;
    if !is_for(said, &pull.head.sha)
        || !commands::was_seen(&client, &shown, words.at, &before.standing).await?
    {
        let why = unseen(said, &pull.head.sha);
        return refuse(&client, &asked, &why).await;
    }
    let accepted = Accepted {
        id: arguments.id.clone(),
        head: pull.head.sha,
        metric,
        up_to,
        by: author.clone(),
        because,
        source: words.source,
        measured: None,
        added: None,
    };
    if let Err(why) = acceptances::when(&client, *number, &accepted).await? {
        return refuse(&client, &asked, &format!("nothing is accepted: {why}")).await;
    }
    let words = in_words(&accepted);
    acceptances::record(&client, *number, &asked.author, &accepted, &words).await?;
    Ok(Some(shown.marker.order.run))
}

/// Whether what was said can be about a commit: a label says which one was there.
fn is_for(said: &Said, commit: &str) -> bool {
    match said {
        Said::Label { head, .. } => head == commit,
        Said::Comment { .. } => true,
    }
}

/// Why something was not accepted whose result came after it was said.
fn unseen(said: &Said, commit: &str) -> String {
    let again = match said {
        Said::Comment { .. } => "write it again",
        Said::Label { .. } => "take the label away and put it there again",
    };
    let commit = commit.get(..10).unwrap_or(commit);
    format!(
        "the result of the newest commit {commit} was not there yet when this was said; look at it, and \
         {again} if it still holds"
    )
}

async fn refuse(client: &Client, asked: &Asked, why: &str) -> Result<Option<u64>, Failure> {
    note(why);
    commands::answer(client, asked, &format!("❔ **Tollgate:** {why}.")).await?;
    Ok(None)
}

fn in_words(accepted: &Accepted) -> String {
    let limit = match accepted.up_to {
        Some(limit) => format!(" up to {}", written(limit)),
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
