//! Word error rate: (substitutions + deletions + insertions) / words of the reference, over a whole test set.
//!
//! Texts are normalised first: lower case, Unicode punctuation (general category P) removed, words split at white space. The
//! numbers equal those of the PyPI package jiwer with the transforms ToLowerCase, RemovePunctuation, every run of white space as
//! one blank, and Strip. (jiwer alone splits at blanks only.)

use serde::{Deserialize, Serialize};
use thiserror::Error;
use unicode_general_category::{GeneralCategory, get_general_category};

/// Most words of one transcript: an alignment takes time with their product.
pub const MAX_WORDS: usize = 100_000;

/// Word errors of one utterance or summed over a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordErrors {
    /// Substitutions, deletions and insertions of a shortest alignment.
    pub errors: u64,
    /// Words of the reference.
    pub reference_words: u64,
}

/// Why there is no word error rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WordErrorRateError {
    /// A rate needs words in the reference.
    #[error("the reference has no words: the word error rate is undefined")]
    NoWords,
    /// A transcript is too long to align.
    #[error("a transcript of {found} words; at most {MAX_WORDS}")]
    TooLong {
        /// Words found.
        found: usize,
    },
}

impl WordErrors {
    /// Aligns one normalised transcript with its reference. An empty reference is allowed here: all words are insertions.
    ///
    /// # Errors
    /// [`WordErrorRateError::TooLong`].
    pub fn of(reference: &str, transcript: &str) -> Result<Self, WordErrorRateError> {
        let (reference, transcript) = (normalised(reference), normalised(transcript));
        for words in [&reference, &transcript] {
            if words.len() > MAX_WORDS {
                return Err(WordErrorRateError::TooLong { found: words.len() });
            }
        }
        Ok(Self { errors: edit_distance(&reference, &transcript) as u64, reference_words: reference.len() as u64 })
    }

    /// Errors over words; above 1 where more was inserted than there was.
    ///
    /// # Errors
    /// [`WordErrorRateError::NoWords`].
    pub fn rate(&self) -> Result<f64, WordErrorRateError> {
        if self.reference_words == 0 {
            return Err(WordErrorRateError::NoWords);
        }
        Ok(self.errors as f64 / self.reference_words as f64)
    }
}

impl std::ops::Add for WordErrors {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { errors: self.errors + other.errors, reference_words: self.reference_words + other.reference_words }
    }
}

impl std::iter::Sum for WordErrors {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| a + b)
    }
}

/// Lower-case words without punctuation.
pub fn normalised(text: &str) -> Vec<String> {
    let text: String = text.chars().flat_map(char::to_lowercase).filter(|&c| !is_punctuation(c)).collect();
    text.split_whitespace().map(str::to_string).collect()
}

fn is_punctuation(c: char) -> bool {
    use GeneralCategory::{
        ClosePunctuation, ConnectorPunctuation, DashPunctuation, FinalPunctuation, InitialPunctuation, OpenPunctuation,
        OtherPunctuation,
    };
    matches!(
        get_general_category(c),
        ClosePunctuation
            | ConnectorPunctuation
            | DashPunctuation
            | FinalPunctuation
            | InitialPunctuation
            | OpenPunctuation
            | OtherPunctuation
    )
}

/// Levenshtein distance with unit costs, in one row.
fn edit_distance(a: &[String], b: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, word) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_words_have_no_rate() {
        let errors = WordErrors::of("...", "two words").unwrap();
        assert_eq!(errors, WordErrors { errors: 2, reference_words: 0 });
        assert_eq!(errors.rate(), Err(WordErrorRateError::NoWords));
        let long = "a ".repeat(MAX_WORDS + 1);
        assert_eq!(WordErrors::of("a", &long), Err(WordErrorRateError::TooLong { found: MAX_WORDS + 1 }));
    }

    proptest! {
        #[test]
        fn a_distance_is_a_metric(a in "[abc ]{0,20}", b in "[abc ]{0,20}", c in "[abc ]{0,20}") {
            let d = |x: &str, y: &str| WordErrors::of(x, y).unwrap().errors;
            prop_assert_eq!(d(&a, &a), 0);
            prop_assert_eq!(d(&a, &b), d(&b, &a));
            prop_assert!(d(&a, &c) <= d(&a, &b) + d(&b, &c));
            let (n, m) = (normalised(&a).len() as u64, normalised(&b).len() as u64);
            prop_assert!(d(&a, &b) >= n.abs_diff(m) && d(&a, &b) <= n.max(m));
        }
    }
}
