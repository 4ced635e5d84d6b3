//! Do all of these signatures hold, most likely? One equation over many, with the terms of a repeated key summed.
//!
//! It accelerates and decides nothing: what it refuses is checked again one by one, and `verify` says so when a
//! verdict rests on it. Keys of small order never come here, points R of small order are refused here.

use crate::format::key::PublicKey;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity, VartimeMultiscalarMul};
use sha2::{Digest as _, Sha512};
use std::collections::BTreeMap;

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
    scalars.push(-base);
    points.push(curve25519_dalek::constants::ED25519_BASEPOINT_POINT);
    let sum = EdwardsPoint::vartime_multiscalar_mul(scalars, points);
    (EdwardsPoint::identity() + sum).is_identity()
}
