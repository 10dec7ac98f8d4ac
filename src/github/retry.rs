//! Whether and when to ask GitHub again: its official algorithm, with an end.
//!
//! A function of its arguments: must not wait, look at a clock or send anything.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

/// GitHub asks for at least a minute after a secondary limit that names no time.
const SECONDARY: Duration = Duration::from_secs(60);

/// What came instead of an answer.
#[derive(Debug)]
pub(super) enum Trouble<'a> {
    /// Nothing, or not in time: what was asked may have been done.
    NoAnswer,
    /// A refusal.
    Refusal {
        status: StatusCode,
        headers: &'a HeaderMap,
        message: &'a str,
    },
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask again after this time.
    Again(Duration),
    /// GitHub asks for this much patience; what was asked was not done.
    Limited(Duration),
    /// It stays what it is.
    Final,
}

/// What to do after the `attempt`-th try, counted from 0. `repeatable` says whether the request
/// may be sent twice although the first may have been carried out. `pause` is the first pause,
/// `now` the time in seconds since 1970.
pub(super) fn next(
    trouble: &Trouble<'_>,
    repeatable: bool,
    attempt: u32,
    pause: Duration,
    now: u64,
) -> Next {
    match trouble {
        Trouble::NoAnswer => again(repeatable, attempt, pause),
        Trouble::Refusal {
            status,
            headers,
            message,
        } => {
            if let Some(wait) = limit(*status, headers, message, attempt, now) {
                Next::Limited(wait)
            } else if status.is_server_error() {
                again(repeatable, attempt, pause)
            } else {
                Next::Final
            }
        }
    }
}

fn again(repeatable: bool, attempt: u32, pause: Duration) -> Next {
    if repeatable {
        Next::Again(pause.saturating_mul(1 << attempt.min(6)))
    } else {
        Next::Final
    }
}

/// How long a rate limit asks to wait; none when it is no rate limit.
fn limit(
    status: StatusCode,
    headers: &HeaderMap,
    message: &str,
    attempt: u32,
    now: u64,
) -> Option<Duration> {
    if status != StatusCode::FORBIDDEN && status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    if let Some(seconds) = number(headers, "retry-after") {
        return Some(Duration::from_secs(seconds));
    }
    if number(headers, "x-ratelimit-remaining") == Some(0)
        && let Some(reset) = number(headers, "x-ratelimit-reset")
    {
        return Some(Duration::from_secs(reset.saturating_sub(now) + 1));
    }
    let says_so = message.to_ascii_lowercase().contains("rate limit");
    (says_so || status == StatusCode::TOO_MANY_REQUESTS)
        .then(|| SECONDARY.saturating_mul(1 << attempt.min(6)))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn refusal(status: u16, headers: &[(&'static str, &str)], message: &str, attempt: u32) -> Next {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, value.parse().unwrap())
            })
            .collect();
        let trouble = Trouble::Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            message,
        };
        next(&trouble, false, attempt, SECOND, 1_000)
    }

    #[test]
    fn a_rate_limit_is_waited_for_as_long_as_it_says() {
        let wait = |seconds| Next::Limited(Duration::from_secs(seconds));
        assert_eq!(refusal(403, &[("retry-after", "7")], "", 0), wait(7));
        let primary = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1030"),
        ];
        assert_eq!(refusal(429, &primary, "", 0), wait(31));
        let secondary = "You have exceeded a secondary rate limit";
        assert_eq!(refusal(403, &[], secondary, 0), wait(60));
        assert_eq!(refusal(403, &[], secondary, 2), wait(240));
        assert_eq!(refusal(429, &[], "", 0), wait(60));
    }

    #[test]
    fn a_lack_of_permission_is_final() {
        let message = "Resource not accessible by integration";
        let some_left = [
            ("x-ratelimit-remaining", "12"),
            ("x-ratelimit-reset", "2000"),
        ];
        assert_eq!(refusal(403, &some_left, message, 0), Next::Final);
        assert_eq!(refusal(404, &[], "Not Found", 0), Next::Final);
        assert_eq!(refusal(422, &[], "Validation Failed", 0), Next::Final);
    }

    #[test]
    fn only_what_may_be_sent_twice_is_sent_twice() {
        assert_eq!(refusal(502, &[], "Bad Gateway", 0), Next::Final);
        let lost = |repeatable| next(&Trouble::NoAnswer, repeatable, 2, SECOND, 0);
        assert_eq!(lost(false), Next::Final);
        assert_eq!(lost(true), Next::Again(Duration::from_secs(4)));
    }
}
