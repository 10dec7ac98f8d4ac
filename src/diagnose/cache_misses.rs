//! `cache.misses`: requests do not find in a cache what base finds there.
//!
//! Needs: what the caches counted in both arms. Silent: without base, and unless the cache misses per
//! request of the endpoint are judged to be worse.

use super::{Case, place};
use crate::model::evidence::{CacheUse, Route};
use crate::model::{
    Confidence, Expected, Finding, Metric, MetricId, Priority, Provenance, Recommendation, Risk,
};

/// Finds endpoints whose cache no longer serves them.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    case.endpoints(of_endpoint)
}

fn of_endpoint(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let misses = MetricId::endpoint(endpoint, Metric::CacheMissesPerRequest);
    if !case.has_regressed(&misses) {
        return None;
    }
    let before = case.base?.evidence.caches.get(endpoint)?;
    let now = case.head.evidence.caches.get(endpoint)?;
    let extra = now.misses_per_request - before.misses_per_request;
    let mut evidence = vec![format!(
        "{:.2} hits, {:.2} misses and {:.2} commands a request (base {:.2}, {:.2} and {:.2})",
        now.hits_per_request,
        now.misses_per_request,
        now.commands_per_request,
        before.hits_per_request,
        before.misses_per_request,
        before.commands_per_request
    )];
    if now.keys > before.keys {
        evidence.push(format!(
            "{:.0} keys in the cache afterwards (base {:.0}), {:.0} of them without expiry; it has \
             {:.1} MB allocated (base {:.1})",
            now.keys,
            before.keys,
            now.lasting_keys,
            now.memory / 1e6,
            before.memory / 1e6
        ));
    }
    Some(Finding {
        rule: "cache.misses".to_owned(),
        location: place::of_change(case, route),
        issue: format!(
            "`{endpoint}` finds {} of what it asks the cache for, where base finds {}",
            share(now),
            share(before)
        ),
        impact: format!("{extra:.1} more misses a request, and the work that the cache saved"),
        priority: Priority::High,
        confidence: Confidence::Proved,
        evidence,
        recommendation: Some(Recommendation {
            change: "use the same key for the same request".to_owned(),
            expected: Expected {
                improvement: format!("{extra:.1} fewer misses a request, as base measures"),
                provenance: Provenance::Measured,
            },
            steps: vec![
                "look for a time, a random number or an id of the request in the key".to_owned(),
                "keep under a key only what depends on that key alone".to_owned(),
            ],
            risk: Risk::Low,
            quick_win: true,
        }),
        explains: [
            Metric::CacheMissesPerRequest,
            Metric::CacheCommandsPerRequest,
        ]
        .map(|metric| MetricId::endpoint(endpoint, metric))
        .to_vec(),
    })
}

/// How much of what was asked for was there.
fn share(cache: &CacheUse) -> String {
    let asked = cache.hits_per_request + cache.misses_per_request;
    if asked > 0.0 {
        format!("{:.0} %", cache.hits_per_request / asked * 100.0)
    } else {
        "nothing".to_owned()
    }
}
