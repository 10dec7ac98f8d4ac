//! Which cores the services and the load generator run on while something is timed.
//!
//! Apart, as long as the machine is ours: without that the scheduler puts the arms beside
//! different neighbours for seconds at a time, and that reads as a difference between them. Where
//! other work keeps one part of the machine busy, everything moves to the other part: sharing a
//! core with the generator costs less than sharing one with a stranger. Must not measure anything.

/// The two parts the cores are divided into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Side {
    /// Where the services are, when apart.
    #[default]
    Services,
    /// Where the load generator is, when apart.
    Generator,
}

/// Who runs where.
#[derive(Debug, Clone)]
pub struct Placement {
    cores: Vec<usize>,
    /// The part where everything is; none when apart.
    together: Option<Side>,
}

impl Placement {
    /// Apart on these cores, the last of them for the load generator.
    pub fn on(cores: Vec<usize>) -> Self {
        Self {
            cores,
            together: None,
        }
    }

    /// All cores there are.
    pub fn all(&self) -> &[usize] {
        &self.cores
    }

    /// The cores of the services and those of the load generator; both the same where everything
    /// is together or there is one core only.
    pub fn pinned(&self) -> (Vec<usize>, Vec<usize>) {
        let (services, generator) = match self.cores.split_last() {
            Some((last, others)) if !others.is_empty() => (others.to_vec(), vec![*last]),
            Some(_) | None => (self.cores.clone(), self.cores.clone()),
        };
        match self.together {
            None => (services, generator),
            Some(Side::Services) => (services.clone(), services),
            Some(Side::Generator) => (generator.clone(), generator),
        }
    }

    /// Whether the load generator has cores that no service is on.
    pub fn is_apart(&self) -> bool {
        let (services, generator) = self.pinned();
        generator.iter().all(|core| !services.contains(core))
    }

    /// Makes room for other work that was seen mostly on the `busier` side. Returns whether
    /// anything moved: the services do not squeeze onto one core where they had several.
    pub fn avoid(&mut self, busier: Side) -> bool {
        let free = match (self.together, busier) {
            (None, Side::Services) | (Some(Side::Services), _) => Side::Generator,
            (None, Side::Generator) | (Some(Side::Generator), _) => Side::Services,
        };
        let fits = free == Side::Services || self.cores.len() == 2;
        if self.cores.len() < 2 || !fits {
            return false;
        }
        self.together = Some(free);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apart_the_generator_has_the_last_core() {
        let pinned = |cores: &[usize]| Placement::on(cores.to_vec()).pinned();
        assert_eq!(pinned(&[0, 1, 2]), (vec![0, 1], vec![2]));
        assert_eq!(pinned(&[4]), (vec![4], vec![4]));
        assert!(Placement::on(vec![0, 1]).is_apart());
        assert!(!Placement::on(vec![4]).is_apart());
    }

    #[test]
    fn everything_goes_where_the_other_work_is_not() {
        let mut placement = Placement::on(vec![0, 1]);
        assert!(placement.avoid(Side::Services));
        assert_eq!(placement.pinned(), (vec![1], vec![1]));
        assert!(!placement.is_apart());
        // The other work followed.
        assert!(placement.avoid(Side::Services));
        assert_eq!(placement.pinned(), (vec![0], vec![0]));
    }

    #[test]
    fn services_with_several_cores_keep_them() {
        let mut placement = Placement::on(vec![0, 1, 2, 3]);
        assert!(!placement.avoid(Side::Services));
        assert_eq!(placement.pinned(), (vec![0, 1, 2], vec![3]));
        assert!(placement.avoid(Side::Generator));
        assert_eq!(placement.pinned(), (vec![0, 1, 2], vec![0, 1, 2]));
    }

    #[test]
    fn one_core_has_nowhere_to_go() {
        assert!(!Placement::on(vec![0]).avoid(Side::Services));
    }
}
