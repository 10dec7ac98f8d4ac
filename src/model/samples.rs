//! Samples: one number per block, never empty, always finite.

use serde::{Deserialize, Serialize};

/// One number per block. Invariant: never empty, every value finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<f64>", try_from = "Vec<f64>")]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Takes the values, or says why they are no samples.
    pub fn new(values: Vec<f64>) -> Result<Self, String> {
        if values.is_empty() {
            return Err("no samples".to_owned());
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(format!("sample {index} is {}, not a number", values[index])),
            None => Ok(Self(values)),
        }
    }

    /// The values, in block order.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The arithmetic mean.
    #[expect(clippy::cast_precision_loss, reason = "block counts are small")]
    pub fn mean(&self) -> f64 {
        let count = self.0.len() as f64;
        let sum = self.0.iter().sum::<f64>();
        if sum.is_finite() {
            return sum / count;
        }
        // The sum of finite values may not be finite; their mean is.
        let mean: f64 = self.0.iter().map(|value| value / count).sum();
        mean.clamp(-f64::MAX, f64::MAX)
    }

    /// The same value in every block, if it is the same.
    pub fn constant(&self) -> Option<f64> {
        let first = self.0[0];
        self.0
            .iter()
            .all(|value| value.to_bits() == first.to_bits())
            .then_some(first)
    }
}

impl From<Samples> for Vec<f64> {
    fn from(samples: Samples) -> Self {
        samples.0
    }
}

impl TryFrom<Vec<f64>> for Samples {
    type Error = String;

    fn try_from(values: Vec<f64>) -> Result<Self, Self::Error> {
        Self::new(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_not_a_number_are_refused() {
        assert!(Samples::new(vec![]).is_err());
        assert!(Samples::new(vec![1.0, f64::NAN]).is_err());
        assert!(Samples::new(vec![f64::INFINITY]).is_err());
        assert!(Samples::new(vec![0.0]).is_ok());
    }
}
