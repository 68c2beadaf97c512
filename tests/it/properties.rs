//! Properties of the encoders: generated values through both COPY formats into a real PostgreSQL, which is then asked
//! for them in another form. What it says must be what independent code here makes of the same value, bit for bit.
//!
//! `ETL_SYNC_TEST_SEED` repeats a campaign, `ETL_SYNC_TEST_ALL=1` makes it 20 times as long. A value that fails is
//! simplified before it is shown.

mod copying;
mod documents;
mod numbers;
mod rows;
mod texts;
mod times;

use crate::notes;
use crate::random::Random;
use crate::servers::Servers;
use copying::{Campaign, Kind};

/// How much longer the whole set is.
const ALL: usize = 20;

/// Values of each kind in the quick set.
const VALUES: usize = 1000;

/// Times as many in the whole set.
pub fn times() -> usize {
    if std::env::var_os("ETL_SYNC_TEST_ALL").is_some() { ALL } else { 1 }
}

fn check(test: &str, kinds: impl Fn(&mut Random) -> Vec<Kind>) {
    let mut random = Random::of_environment();
    let mut campaign = Campaign::start(Servers::start(test), random.next());
    for _ in 0..times() {
        // Kinds of the same family share the number of values.
        let kinds = kinds(&mut random);
        for kind in &kinds {
            campaign.check(kind, VALUES / kind.share);
        }
    }
    notes::add(&format!("{test}: {} values", campaign.values()));
}

#[test]
fn integers_and_bits_arrive_or_are_out_of_range() {
    check("prop_integers", |random| [numbers::integers(), numbers::bits(random)].into_iter().flatten().collect());
}

#[test]
fn decimals_of_every_precision_and_scale_arrive() {
    check("prop_decimals", numbers::decimals);
}

#[test]
fn every_bit_of_a_float_arrives() {
    check("prop_floats", |_| numbers::floats());
}

#[test]
fn bytes_and_texts_arrive() {
    check("prop_texts", |_| texts::kinds());
}

#[test]
fn days_and_times_arrive_when_they_exist() {
    check("prop_times", |_| times::kinds());
}

#[test]
fn addresses_documents_and_geometries_arrive() {
    check("prop_documents", |_| documents::kinds());
}

#[test]
fn a_row_arrives_whole_or_not_at_all() {
    let mut random = Random::of_environment();
    let mut campaign = Campaign::start(Servers::start("prop_rows"), random.next());
    for _ in 0..4 * times() {
        let mut kinds = [numbers::integers(), numbers::bits(&mut random), numbers::decimals(&mut random), numbers::floats()];
        let mut kinds: Vec<Kind> = kinds.iter_mut().flat_map(std::mem::take).collect();
        kinds.extend(texts::kinds().into_iter().chain(times::kinds()).chain(documents::kinds()));
        rows::check(&mut campaign, kinds, &mut random);
    }
    notes::add(&format!("prop_rows: {} cells", campaign.values()));
}
