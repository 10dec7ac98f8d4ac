//! How many messages wait in queues of RabbitMQ, asked over AMQP.
//!
//! Asks the queues themselves: what the management plugin and `rabbitmqctl` list was collected up to
//! five seconds ago. Must not declare a queue: one that is not there stays so, and is said.

use std::time::Duration;

use amqprs::channel::{Channel, QueueDeclareArguments, QueuePurgeArguments};
use amqprs::connection::{Connection, OpenConnectionArguments};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;

use crate::measure::plan::Service;

/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a service has queues that are asked for.
pub fn has_queues(service: &Service) -> bool {
    !service.queues.is_empty()
}

/// Messages that wait in these queues, together: those that are with a consumer already do not wait.
pub async fn depth(address: &str, queues: &[String]) -> Result<u64, String> {
    asked(address, async |channel| {
        let mut waiting = 0;
        for queue in queues {
            let mut question = QueueDeclareArguments::new(queue);
            question.passive(true);
            match channel.queue_declare(question).await {
                Ok(Some((_, messages, _consumers))) => waiting += u64::from(messages),
                // RabbitMQ closes the channel of who asks for a queue that is not there.
                Ok(None) | Err(_) => return Err(missing(queue)),
            }
        }
        Ok(waiting)
    })
    .await
}

/// Throws away what waits in these queues: what a block starts with. One that is not there has
/// nothing in it.
pub async fn empty(address: &str, queues: &[String]) -> Result<(), String> {
    for queue in queues {
        asked(address, async |channel| {
            let _gone = channel.queue_purge(QueuePurgeArguments::new(queue)).await;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Opens a connection for one question. It is not kept: between blocks the server is frozen for
/// longer than it would let a silent connection live.
async fn asked<T>(
    address: &str,
    question: impl AsyncFnOnce(&Channel) -> Result<T, String>,
) -> Result<T, String> {
    let at = parsed(address)?;
    let mut arguments = OpenConnectionArguments::new(&at.host, at.port, &at.user, &at.password);
    arguments
        .virtual_host(&at.virtual_host)
        .connection_name("tollgate");
    let answer = async {
        let explain = |error: amqprs::error::Error| error.to_string();
        let connection = Connection::open(&arguments).await.map_err(explain)?;
        let answer = match connection.open_channel(None).await {
            Ok(channel) => question(&channel).await,
            Err(error) => Err(error.to_string()),
        };
        // It is over either way.
        let _closed = connection.close().await;
        answer
    };
    let late = || format!("RabbitMQ did not answer within {} s", PATIENCE.as_secs());
    timeout(PATIENCE, answer).await.map_err(|_| late())?
}

fn missing(queue: &str) -> String {
    format!("RabbitMQ has no queue `{queue}` that this login may see")
}

/// Where a RabbitMQ is, and who asks.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
    user: String,
    password: String,
    virtual_host: String,
}

/// Reads an address such as `amqp://user:password@host:5672/vhost`; what it leaves out is as
/// RabbitMQ comes.
fn parsed(address: &str) -> Result<Address, String> {
    let url = reqwest::Url::parse(address).map_err(|error| format!("its address: {error}"))?;
    let or = |text: &str, usual: &str| match text {
        "" => usual.to_owned(),
        text => percent_decode_str(text).decode_utf8_lossy().into_owned(),
    };
    Ok(Address {
        host: url.host_str().ok_or("its address has no host")?.to_owned(),
        port: url.port().unwrap_or(5672),
        user: or(url.username(), "guest"),
        password: or(url.password().unwrap_or_default(), "guest"),
        virtual_host: or(url.path().trim_start_matches('/'), "/"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_leaves_out_is_as_rabbitmq_comes() {
        let short = parsed("amqp://127.0.0.1").unwrap();
        assert_eq!(
            short,
            parsed("amqp://guest:guest@127.0.0.1:5672/%2F").unwrap()
        );
        let long = parsed("amqp://a%40b:c%2Fd@mq:5673/jobs").unwrap();
        let login = [long.user, long.password, long.virtual_host];
        assert_eq!(
            (login, long.port),
            (["a@b", "c/d", "jobs"].map(str::to_owned), 5673)
        );
    }

    #[test]
    fn what_is_no_address_is_said() {
        assert!(parsed("127.0.0.1").is_err());
    }
}
