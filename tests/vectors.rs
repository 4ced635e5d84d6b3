//! Do the published vectors recompute, and do other people's implementations agree where there are some?

use crate::harness::root;
use chancery_ledger::format::canonical::to_bytes;
use chancery_ledger::format::check::is_canonical;
use chancery_ledger::format::checkpoint::{Note, Signed};
use chancery_ledger::format::encoding::{base64, hex, unbase64, unhex};
use chancery_ledger::format::entry::{self, address};
use chancery_ledger::format::hash::CONTEXTS;
use chancery_ledger::format::ids::KeyId;
use chancery_ledger::format::json::{self, Value, parse};
use chancery_ledger::format::key::{
    LogVerifier, PrivateKey, PublicKey, author_key_file, log_key_file, parse_author_key_file,
    parse_log_key_file,
};
use chancery_ledger::format::statement::{enrolment_bytes, entry_bytes_of, request_bytes_of};
use chancery_ledger::format::tree::{Frontier, Hash, inclusion_path, leaf_hash, root_from_inclusion};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;

fn fixture(name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(root().join("fixtures").join(name)).expect("a fixture");
    serde_json::from_str(&text).expect("JSON")
}

fn text<'a>(value: &'a serde_json::Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("`{name}` is a string"))
}

fn list<'a>(value: &'a serde_json::Value, name: &str) -> &'a [serde_json::Value] {
    value[name].as_array().unwrap_or_else(|| panic!("`{name}` is an array"))
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex")).collect()
}

#[test]
fn an_entry_its_address_its_leaf_hash_and_its_author() {
    let (vector, request) = (fixture("vectors/entry.json"), fixture("vectors/request.json"));
    let leaf = text(&vector, "leaf").as_bytes();
    assert_eq!(address(leaf).to_string(), text(&vector, "address"));
    assert_eq!(hex(&leaf_hash(leaf)), text(&vector, "leaf_hash"));
    let entry = entry::open(leaf).expect("an entry");
    let statement = request_bytes_of(&entry).expect("a statement");
    assert_eq!(String::from_utf8(statement.clone()).expect("text"), text(&request, "statement"));
    let public = PublicKey::from_base64(text(&request, "public")).expect("a key");
    assert_eq!(public.id().to_string(), text(&request, "key_id"));
    let signature = entry.attestation.expect("one").signature().expect("64 bytes");
    assert_eq!(base64(&signature), text(&request, "signature"));
    assert!(public.verifies(&statement, &signature));
    let enrolment = enrolment_bytes("demo.example/e1", "founder", &public.to_bytes()).expect("a text");
    assert_eq!(enrolment, text(&request, "enrolment").as_bytes());
    let proof: [u8; 64] = unbase64(text(&request, "proof")).expect("base64").try_into().expect("64 bytes");
    assert!(public.verifies(&enrolment, &proof));
    assert!(!public.verifies(&statement, &proof), "a proof of possession signs nothing else");
    assert!(!public.verifies(&enrolment, &signature), "a request signs nothing else");
}

#[test]
fn an_entry_that_is_signed_as_a_whole() {
    let vector = fixture("vectors/entry_statement.json");
    let entry = entry::open(text(&vector, "leaf").as_bytes()).expect("an entry");
    let statement = entry_bytes_of(&entry).expect("a statement");
    assert_eq!(statement, text(&vector, "statement").as_bytes());
    let public = PublicKey::from_base64(text(&vector, "public")).expect("a key");
    assert!(public.verifies(&statement, &entry.attestation.expect("one").signature().expect("64 bytes")));
}

#[test]
fn a_chain_and_the_head_over_it() {
    let (chain, head) = (fixture("vectors/chain.json"), fixture("vectors/checkpoint.json"));
    let (mut frontier, mut prev) = (Frontier::default(), format!("b3:{}", "0".repeat(64)));
    for (at, leaf) in list(&chain, "leaves").iter().enumerate() {
        let leaf = leaf.as_str().expect("text").as_bytes();
        let entry = entry::open(leaf).expect("an entry");
        assert_eq!((entry.prev.to_string(), entry.position), (prev, at as u64));
        prev = address(leaf).to_string();
        assert_eq!(chain["addresses"][at], prev.as_str());
        frontier.push(leaf_hash(leaf));
        assert_eq!(chain["roots"][at], hex(&frontier.root()).as_str());
    }
    let hashes: Vec<String> = frontier.hashes().iter().map(|hash| hex(hash)).collect();
    assert_eq!(chain["frontier"], serde_json::json!(hashes));
    let verifier = LogVerifier::parse(text(&head, "vkey")).expect("a verifier key");
    let note = Note::parse(text(&head, "note")).expect("a note");
    assert_eq!(note.signed_by(&verifier), Signed::Valid);
    assert_eq!((note.checkpoint.root, note.checkpoint.size), (frontier.root(), 3));
    let key = PrivateKey::from_seed(&[1; 32]);
    assert_eq!(note.checkpoint.clone().sign(&key).text(), text(&head, "note"), "signing is deterministic");
}

#[test]
fn commitments_and_other_digests() {
    let vector = fixture("vectors/commitments.json");
    let mut seen = Vec::new();
    for digest in list(&vector, "digests") {
        let context =
            CONTEXTS.iter().find(|context| context.name() == text(digest, "context")).expect("a context");
        seen.push(context.name());
        let over = digest["hex"].as_str().map_or_else(|| text(digest, "text").as_bytes().to_vec(), bytes);
        let found = match digest["salt"].as_str() {
            Some(salt) => context.commit(&unhex(salt).expect("hex"), &over),
            None => context.digest(&over),
        };
        assert_eq!(found.to_string(), text(digest, "digest"), "{}", context.name());
    }
    assert!(CONTEXTS.iter().all(|context| seen.contains(&context.name())), "every context has a vector");
}

#[test]
fn key_files() {
    let vector = fixture("vectors/keys.json");
    let (log, author) = (&vector["log"], &vector["author"]);
    let (origin, key) = parse_log_key_file(text(log, "file")).expect("a log key");
    assert_eq!(*log_key_file(&origin, &[1; 32]), text(log, "file"));
    assert_eq!(LogVerifier { origin, key: key.public() }.to_string(), text(log, "vkey"));
    let (principal, key) = parse_author_key_file(text(author, "file")).expect("an author key");
    assert_eq!(*author_key_file(&principal, &[2; 32]), text(author, "file"));
    assert_eq!(key.public().id().to_string(), text(author, "key_id"));
    assert_eq!(KeyId::parse(text(author, "key_id")), Some(key.public().id()));
    for file in [text(log, "file"), text(author, "file")] {
        let digit = file.rfind('+').expect("fields") - 1;
        let mut other = file.as_bytes().to_vec();
        other[digit] = if other[digit] == b'0' { b'1' } else { b'0' };
        let other = String::from_utf8(other).expect("text");
        assert!(
            parse_log_key_file(&other).is_none() && parse_author_key_file(&other).is_none(),
            "id is recomputed"
        );
        let bare = file.trim_end();
        assert!(
            parse_log_key_file(bare).is_none() && parse_author_key_file(bare).is_none(),
            "a line has its end"
        );
    }
}

#[test]
fn vectors_of_others() {
    let vector = fixture("vectors/c2sp.json");
    let mut frontier = Frontier::default();
    for (leaf, root) in list(&vector, "leaves").iter().zip(list(&vector, "roots")) {
        frontier.push(leaf_hash(&bytes(leaf.as_str().expect("hex"))));
        assert_eq!(base64(&frontier.root()), *root);
    }
    let mut frontier = Frontier::default();
    for leaf in list(&vector, "checkpoint_leaves") {
        frontier.push(leaf_hash(leaf.as_str().expect("text").as_bytes()));
    }
    let verifier = LogVerifier::parse(text(&vector, "vkey")).expect("a verifier key");
    assert_eq!(verifier.to_string(), text(&vector, "vkey"));
    let note = Note::parse(text(&vector, "checkpoint")).expect("a note");
    assert_eq!(note.checkpoint.root, frontier.root());
    assert_eq!(note.signed_by(&verifier), Signed::Valid);
    assert_eq!(note.signatures.len(), 2, "a witness's line is kept and ignored");
}

#[test]
fn signatures_are_verified_strictly() {
    let file =
        std::fs::read_to_string(root().join("fixtures/vectors/ed25519-strict.txt")).expect("the cases");
    let cases: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let fields: Vec<&str> = case.split(' ').collect();
        let public = unhex(fields[3]).expect("32 bytes");
        let signature: [u8; 64] = unhex(fields[4]).expect("64 bytes");
        let valid =
            PublicKey::from_bytes(&public).is_some_and(|key| key.verifies(&bytes(fields[2]), &signature));
        assert_eq!(valid, fields[1] == "valid", "case {}", fields[0]);
    }
    // S + L: the same point equation, another text.
    let key = PrivateKey::from_seed(&[2; 32]);
    let good = key.sign(b"message");
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let (mut more, mut carry) = (good, 0u16);
    for (byte, add) in more[32..].iter_mut().zip(&order) {
        let sum = u16::from(*byte) + u16::from(*add) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert!(key.public().verifies(b"message", &good) && !key.public().verifies(b"message", &more));
    // Every point of small order, in every spelling, is no key.
    let small = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    assert!(small.iter().all(|point| PublicKey::from_bytes(&unhex(point).expect("hex")).is_none()));
}

#[test]
fn canonical_text_of_what_is_accepted() {
    for pair in fixture("canonical/accepted.json").as_array().expect("pairs") {
        let (given, wanted) = (text(pair, "in"), text(pair, "out"));
        let value = parse(given.as_bytes()).unwrap_or_else(|error| panic!("{given}: {error}"));
        assert_eq!(String::from_utf8(to_bytes(&value).expect("canonical")).expect("text"), wanted);
        assert_eq!(is_canonical(given.as_bytes()), given == wanted, "{given}");
        assert!(is_canonical(wanted.as_bytes()), "{wanted}");
    }
}

#[test]
fn what_is_refused_is_refused_by_its_code_and_place() {
    for case in fixture("canonical/refused.json").as_array().expect("cases") {
        let given = text(case, "in");
        let error = parse(given.as_bytes()).expect_err(given);
        assert_eq!(
            (error.code.as_str(), error.pointer.as_str()),
            (text(case, "code"), text(case, "pointer")),
            "{given}"
        );
        assert!(!is_canonical(given.as_bytes()), "{given}");
    }
    assert_eq!(parse(b"\"\xff\"").expect_err("bytes").code.as_str(), "not_utf8");
}

#[test]
fn trees_are_those_of_another_implementation() {
    let mut theirs = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    let (mut ours, mut hashes): (Frontier, Vec<Hash>) = Default::default();
    for size in 1..=600u64 {
        let leaf = size.to_be_bytes().repeat(size as usize % 7);
        theirs.push(leaf.clone());
        hashes.push(leaf_hash(&leaf));
        ours.push(leaf_hash(&leaf));
        let root = theirs.root();
        assert_eq!(ours.root()[..], root.as_bytes()[..], "size {size}");
        let indexes = [0, size / 3, size / 2, size - 1]
            .into_iter()
            .chain((size % 97 == 0).then_some(0..size).into_iter().flatten());
        for index in indexes {
            let path = inclusion_path::<()>(index, size, &mut |range| {
                let mut part = Frontier::default();
                hashes[range.start as usize..range.end as usize].iter().for_each(|hash| part.push(*hash));
                Ok(part.root())
            });
            let path = path.expect("a path");
            let proof = theirs.prove_inclusion(index as usize);
            assert_eq!(path.concat(), proof.as_bytes(), "leaf {index} of {size}");
            assert_eq!(root_from_inclusion(index, size, hashes[index as usize], &path), Some(ours.root()));
            let longer: Vec<Hash> = path.iter().copied().chain([[0; 32]]).collect();
            assert_ne!(root_from_inclusion(index, size, hashes[index as usize], &longer), Some(ours.root()));
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let character = prop_oneof![
        4 => proptest::char::range(' ', '~'),
        2 => proptest::char::range('\u{1}', '\u{1f}'),
        1 => Just('"'), 1 => Just('\\'), 1 => Just('\u{7f}'), 1 => Just('\u{2028}'),
        2 => any::<char>(),
    ];
    let plain = |c: &char| {
        *c != '\0' && !(0xFDD0..=0xFDEF).contains(&u32::from(*c)) && u32::from(*c) & 0xFFFE != 0xFFFE
    };
    let string = proptest::collection::vec(character.prop_filter("no noncharacter", plain), 0..12);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::Int),
        (-20i64..20).prop_map(Value::Int),
        string.prop_map(|chars| Value::Text(chars.into_iter().collect())),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            proptest::collection::btree_map("[a-z0-9_]{1,8}", inner, 0..6).prop_map(Value::Object),
        ]
    })
}

/// True when `bytes` are what writing what they parse to gives.
fn rewrites(bytes: &[u8]) -> bool {
    parse(bytes).is_ok_and(|value| to_bytes(&value).is_ok_and(|again| again == bytes))
}

fn count(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

fn settings() -> ProptestConfig {
    ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn any_value_is_written_as_another_implementation_writes_it(value in values()) {
        let bytes = to_bytes(&value).expect("canonical");
        prop_assert_eq!(&bytes, &serde_jcs::to_vec(&value).expect("their text"));
        prop_assert_eq!(parse(&bytes).expect("a document"), value.clone());
        prop_assert!(is_canonical(&bytes));
        prop_assert_eq!(json::depth(&bytes), value.depth());
        prop_assert_eq!(json::nodes(&bytes), count(&value));
    }

    #[test]
    fn bytes_are_canonical_exactly_when_they_write_themselves(
        value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..6u8,
    ) {
        let mut bytes = to_bytes(&value).expect("canonical");
        let place = at.index(bytes.len());
        match how {
            0 => bytes[place] ^= 1 << (byte % 8),
            1 => bytes[place] = byte,
            2 => bytes.insert(place, byte),
            3 => drop(bytes.remove(place)),
            4 => bytes.insert(place, b" ,:{}[]\"\\0-"[usize::from(byte) % 11]),
            _ => drop(bytes.splice(place..place, *br"\u0041")),
        }
        prop_assert_eq!(is_canonical(&bytes), rewrites(&bytes), "{:?}", String::from_utf8_lossy(&bytes));
    }
}
