//! Do all of these signatures hold, most likely? One equation over many, with the terms of a repeated key summed.
//!
//! It accelerates and decides nothing: what it refuses is checked again one by one, and `verify` says so when a
//! verdict rests on it. Keys of small order never come here, points R of small order are refused here. A weight can
//! hide a torsion component, which strict verification never overlooks; so sums of random subsets of the points have
//! to be free of torsion as well, and one that is not escapes with a chance of 2^-40.

use crate::format::key::PublicKey;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity, VartimeMultiscalarMul};
use sha2::{Digest as _, Sha512};
use std::collections::BTreeMap;

/// Subsets whose sum is looked at.
const SUBSETS: usize = 40;

/// Key, message and signature.
pub(crate) type Signed = (PublicKey, (Vec<u8>, [u8; 64]));

/// True when the sum of all equations, each with a random weight, holds.
pub(super) fn accepts(batch: &[Signed]) -> bool {
    let mut weights = blake3::Hasher::new();
    let mut seed = [0u8; 32];
    if getrandom::fill(&mut seed).is_err() {
        return false;
    }
    weights.update(&seed);
    let mut weights = weights.finalize_xof();
    let mut base = Scalar::ZERO;
    let mut keys: BTreeMap<[u8; 32], Scalar> = BTreeMap::new();
    let mut scalars = Vec::with_capacity(batch.len() * 2);
    let mut points: Vec<EdwardsPoint> = Vec::with_capacity(batch.len() * 2);
    for (key, (message, signature)) in batch {
        let (Some(r), Some(s)) = (signature.first_chunk::<32>(), signature.last_chunk::<32>()) else {
            return false;
        };
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(*s)) else { return false };
        let Some(point) = CompressedEdwardsY(*r).decompress().filter(|p| !p.is_small_order()) else {
            return false;
        };
        if point.compress().0 != *r {
            return false;
        }
        let public = key.to_bytes();
        let digest = Sha512::new().chain_update(r).chain_update(public).chain_update(message).finalize();
        let challenge = Scalar::from_bytes_mod_order_wide(&digest.into());
        let mut weight = [0u8; 32];
        weights.fill(&mut weight[..16]);
        let weight = Scalar::from_bytes_mod_order(weight);
        base += weight * s;
        *keys.entry(public).or_insert(Scalar::ZERO) += weight * challenge;
        scalars.push(weight);
        points.push(point);
    }
    for (public, scalar) in keys {
        let Some(point) = CompressedEdwardsY(public).decompress() else { return false };
        scalars.push(scalar);
        points.push(point);
    }
    if !torsion_free(&points, &mut weights) {
        return false;
    }
    scalars.push(-base);
    points.push(curve25519_dalek::constants::ED25519_BASEPOINT_POINT);
    let sum = EdwardsPoint::vartime_multiscalar_mul(scalars, points);
    (EdwardsPoint::identity() + sum).is_identity()
}

/// True when no point has a torsion component, but for a chance of 2^-`SUBSETS`.
fn torsion_free(points: &[EdwardsPoint], random: &mut blake3::OutputReader) -> bool {
    let mut sums = [EdwardsPoint::identity(); SUBSETS];
    for point in points {
        let mut bits = [0u8; SUBSETS.div_ceil(8)];
        random.fill(&mut bits);
        for (at, sum) in sums.iter_mut().enumerate() {
            if bits[at / 8] >> (at % 8) & 1 == 1 {
                *sum += point;
            }
        }
    }
    sums.iter().all(EdwardsPoint::is_torsion_free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};

    /// A signature whose R has a torsion component, by the holder of the key: valid without the cofactor never.
    fn twisted(torsion: usize, message: &[u8]) -> Signed {
        let (secret, nonce) = (Scalar::from(1_234_567u64), Scalar::from(7_654_321u64));
        let public = (ED25519_BASEPOINT_POINT * secret).compress().to_bytes();
        let r = (ED25519_BASEPOINT_POINT * nonce + EIGHT_TORSION[torsion]).compress().to_bytes();
        let digest = Sha512::new().chain_update(r).chain_update(public).chain_update(message).finalize();
        let s = nonce + Scalar::from_bytes_mod_order_wide(&digest.into()) * secret;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(s.as_bytes());
        (PublicKey::from_bytes(&public).unwrap(), (message.to_vec(), signature))
    }

    #[test]
    fn what_strict_verification_refuses_is_never_screened_as_valid() {
        assert!(accepts(&[twisted(0, b"good"), twisted(0, b"too")]), "honest ones pass");
        for torsion in 1..8 {
            for round in 0..32u8 {
                let (a, b) = (twisted(torsion, &[round]), twisted(torsion, &[round, 1]));
                assert!(!a.0.verifies(&a.1.0, &a.1.1), "strict refuses it");
                assert!(!accepts(std::slice::from_ref(&a)), "alone, torsion {torsion}, round {round}");
                assert!(!accepts(&[a, b]), "two, torsion {torsion}, round {round}");
            }
        }
    }
}
