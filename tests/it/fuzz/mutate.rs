//! Inputs made of a corpus: cut into words, marks and lines, and these left out, doubled, swapped, replaced and mixed.

use crate::hosts::project;
use crate::random::Random;

/// Longest input; a configuration file has some kilobytes.
const INPUT_BYTES_MAX: usize = 20_000;

/// Pieces that any grammar may stumble over.
const ANY: [&str; 32] = [
    "",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\u{feff}",
    "\"",
    "'",
    "`",
    "\\",
    "\\\\",
    "${",
    "}",
    "{",
    "[",
    "]",
    "(",
    ")",
    ":",
    ": ",
    ",",
    "*",
    "&",
    "<<",
    "-1",
    "0",
    "18446744073709551616",
    "1e999",
    "NaN",
    "é",
    "😀",
];

pub struct Mutator {
    corpus: Vec<Vec<u8>>,
    words: &'static [&'static str],
    random: Random,
}

impl Mutator {
    /// The corpus of `tests/fuzz/TARGET`.
    pub fn new(target: &str, words: &'static [&'static str], seed: u64) -> Self {
        let folder = project().join("tests/fuzz").join(target);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
        assert!(!corpus.is_empty(), "{} is empty", folder.display());
        Self { corpus, words, random: Random::new(seed) }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random.below(u64::try_from(end).unwrap())).unwrap()
    }

    fn any_file(&mut self) -> Vec<u8> {
        let at = self.below(self.corpus.len());
        self.corpus[at].clone()
    }

    /// The next input: first every file of the corpus as it is, then mutations.
    pub fn input(&mut self, number: usize) -> Vec<u8> {
        if let Some(file) = self.corpus.get(number) {
            return file.clone();
        }
        let mut pieces = pieces(&self.any_file());
        for _ in 0..=self.below(6) {
            self.mutate(&mut pieces);
        }
        let mut input = pieces.concat();
        if self.below(8) == 0 && !input.is_empty() {
            let at = self.below(input.len());
            input[at] = self.random.next().to_le_bytes()[0];
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn mutate(&mut self, pieces: &mut Vec<Vec<u8>>) {
        let at = self.below(pieces.len() + 1);
        let end = (at + 1 + self.below(8)).min(pieces.len());
        let at = at.min(end);
        match self.below(8) {
            0 => drop(pieces.drain(at..end)),
            1 => {
                let copy = pieces[at..end].to_vec();
                pieces.splice(at..at, copy);
            }
            2 => {
                let taken: Vec<_> = pieces.drain(at..end).collect();
                let to = self.below(pieces.len() + 1);
                pieces.splice(to..to, taken);
            }
            3 => {
                let other = self::pieces(&self.any_file());
                let from = self.below(other.len() + 1);
                let to = (from + self.below(20)).min(other.len());
                pieces.splice(at..end, other[from..to].iter().cloned());
            }
            // Deep and long ones: the same pieces hundreds of times.
            4 if self.below(6) == 0 => {
                let times = 50 + self.below(1000);
                let many = pieces[at..end].concat().repeat(times);
                pieces.splice(at..end, [many]);
            }
            5 => pieces.truncate(at),
            _ => {
                let number = self.below(ANY.len() + self.words.len());
                let word = ANY.get(number).or_else(|| self.words.get(number - ANY.len())).copied().unwrap_or_default();
                let end = if self.below(2) == 0 { at } else { (at + 1).min(pieces.len()) };
                pieces.splice(at..end, [word.as_bytes().to_vec()]);
            }
        }
    }
}

/// Runs of letters and digits, runs of blanks, and every other byte alone.
fn pieces(input: &[u8]) -> Vec<Vec<u8>> {
    let class = |byte: u8| match byte {
        b' ' | b'\t' => 1,
        _ if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => 2,
        _ => 0,
    };
    input.chunk_by(|a, b| class(*a) == class(*b) && class(*a) != 0).map(<[u8]>::to_vec).collect()
}

#[test]
fn a_seed_gives_the_same_inputs_again() {
    let inputs = |seed| {
        let mut mutator = Mutator::new("types", &["x"], seed);
        (0..200).map(|number| mutator.input(number)).collect::<Vec<_>>()
    };
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(2));
    assert_eq!(pieces(b"ab:  c=\n").len(), 6);
}
