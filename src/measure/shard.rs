//! One of several equal parts of a plan, so that several machines share the work.
//!
//! Deterministic by the order of the configuration: the same part on every machine. Must not split
//! what is compared with each other: base and head of an endpoint, a batch and its single request.

use std::collections::BTreeSet;

use super::plan::{Endpoint, Plan};
use crate::model::Subject;

/// Which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// A part of a plan.
#[derive(Debug, Clone)]
pub struct PartOfPlan {
    /// What it measures.
    pub plan: Plan,
    /// Services it runs whose own metrics are another part's.
    pub foreign: BTreeSet<String>,
}

impl PartOfPlan {
    /// Whether the part answers for this subject.
    pub fn owns(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Service { service } => !self.foreign.contains(service),
            Subject::Bundle { .. }
            | Subject::Asset { .. }
            | Subject::Entry { .. }
            | Subject::Endpoint { .. } => true,
        }
    }
}

/// How many parts a plan can be split into: its endpoints and frontends, those that belong
/// together counted once.
pub fn most(plan: &Plan) -> usize {
    groups(&plan.endpoints).len() + plan.frontends.len()
}

/// The part of a plan, or how many there could be.
pub fn part(plan: &Plan, part: Part) -> Result<PartOfPlan, usize> {
    let most = most(plan);
    if usize::try_from(part.of).is_ok_and(|of| of > most) {
        return Err(most);
    }
    let mut own = dealt(plan, part);
    let services = needed(plan, &own.endpoints, part);
    let earlier = (1..part.number).map(|number| Part { number, ..part });
    let foreign: BTreeSet<String> = earlier
        .flat_map(|earlier| needed(plan, &dealt(plan, earlier).endpoints, earlier))
        .filter(|service| services.contains(service))
        .collect();
    own.services
        .retain(|service| services.contains(&service.name));
    own.sessions
        .retain(|session| services.contains(&session.service));
    Ok(PartOfPlan { plan: own, foreign })
}

/// Endpoints and frontends dealt out one by one.
fn dealt(plan: &Plan, part: Part) -> Plan {
    let (number, of) = (part.number as usize - 1, part.of as usize);
    let groups = groups(&plan.endpoints);
    let mine: BTreeSet<usize> = (groups.iter().enumerate())
        .filter(|(index, _)| index % of == number)
        .flat_map(|(_, group)| group.iter().copied())
        .collect();
    let endpoints = plan.endpoints.iter().enumerate();
    let frontends = plan.frontends.iter().enumerate();
    Plan {
        endpoints: endpoints
            .filter(|(index, _)| mine.contains(index))
            .map(|(_, endpoint)| endpoint.clone())
            .collect(),
        frontends: frontends
            .filter(|(index, _)| (groups.len() + index) % of == number)
            .map(|(_, frontend)| frontend.clone())
            .collect(),
        ..plan.clone()
    }
}

/// The endpoints by number, those that are compared with each other together.
fn groups(endpoints: &[Endpoint]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, endpoint) in endpoints.iter().enumerate() {
        let is_kin = |other: &usize| {
            let other = &endpoints[*other];
            one_of(other) == Some(&endpoint.name) || one_of(endpoint) == Some(&other.name)
        };
        let (mut kin, others): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| group.iter().any(is_kin));
        groups = others;
        kin.push(vec![index]);
        let mut joined = kin.concat();
        joined.sort_unstable();
        groups.push(joined);
    }
    groups.sort();
    groups
}

fn one_of(endpoint: &Endpoint) -> Option<&String> {
    endpoint.batch.as_ref()?.of.as_ref()
}

/// The services that these endpoints reach, and what those need. A service that no endpoint of any
/// part reaches is run by the first part.
fn needed(plan: &Plan, endpoints: &[Endpoint], part: Part) -> BTreeSet<String> {
    let sessions = |name: &str| plan.sessions.iter().find(|session| session.name == name);
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for endpoint in endpoints {
        wanted.insert(endpoint.service.clone());
        let session = endpoint.session.as_deref().and_then(sessions);
        wanted.extend(session.map(|session| session.service.clone()));
    }
    with_needs(plan, &mut wanted);
    if part.number == 1 {
        let all = Part { number: 2, of: 2 };
        let reached = needed(plan, &plan.endpoints, all);
        let services = plan.services.iter().map(|service| &service.name);
        wanted.extend(services.filter(|name| !reached.contains(*name)).cloned());
        with_needs(plan, &mut wanted);
    }
    wanted
}

fn with_needs(plan: &Plan, wanted: &mut BTreeSet<String>) {
    // Dependencies come first in the plan.
    for service in plan.services.iter().rev() {
        if wanted.contains(&service.name) {
            wanted.extend(service.needs.iter().cloned());
        }
    }
}
