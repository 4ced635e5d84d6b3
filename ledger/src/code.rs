//! Which codes can an answer carry? One table: class, meaning, way out. SPEC 15; a test holds both equal.

/// How an answer of this code is meant, and what became of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Bad input; never recorded.
    Invalid,
    /// An answer without an entry.
    Conflict,
    /// The gate's no; recorded.
    Denial,
    /// The domain's no; recorded.
    Refusal,
    /// The ledger failed or may not serve.
    Error,
}

macro_rules! codes {
    ($($name:ident $text:literal $class:ident;)*) => {
        /// A stable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "SPEC 15 documents each code; a test compares")]
        pub enum Code { $($name),* }

        /// Every code, in the order of SPEC 15.
        pub const CODES: &[Code] = &[$(Code::$name),*];

        impl Code {
            /// The text that stands in answers, entries and SPEC.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Its class.
            pub fn class(self) -> Class {
                match self { $(Self::$name => Class::$class),* }
            }
        }
    };
}

codes! {
    NotJson "not_json" Invalid;
    NotUtf8 "not_utf8" Invalid;
    NumberNotInteger "number_not_integer" Invalid;
    NumberOutOfRange "number_out_of_range" Invalid;
    DuplicateKey "duplicate_key" Invalid;
    KeyMalformed "key_malformed" Invalid;
    BadString "bad_string" Invalid;
    TooDeep "too_deep" Invalid;
    TooLarge "too_large" Invalid;
    UnknownAction "unknown_action" Invalid;
    UnknownField "unknown_field" Invalid;
    MissingField "missing_field" Invalid;
    WrongType "wrong_type" Invalid;
    OutOfRange "out_of_range" Invalid;
    MalformedValue "malformed_value" Invalid;
    EntityRequired "entity_required" Invalid;
    Unauthenticated "unauthenticated" Conflict;
    IdempotencyConflict "idempotency_conflict" Conflict;
    EpochChanged "epoch_changed" Conflict;
    UnknownKey "unknown_key" Conflict;
    RequestExpired "request_expired" Conflict;
    WrongSeq "wrong_seq" Conflict;
    BadSignature "bad_signature" Conflict;
    PrincipalNotActive "principal_not_active" Denial;
    ScopeForeign "scope_foreign" Denial;
    ScopeClosed "scope_closed" Denial;
    RoleInsufficient "role_insufficient" Denial;
    AttestationRequired "attestation_required" Denial;
    SeparationRequired "separation_required" Denial;
    NotFound "not_found" Refusal;
    WrongState "wrong_state" Refusal;
    ScopeExists "scope_exists" Refusal;
    ScopeEnded "scope_ended" Refusal;
    ScopeTooDeep "scope_too_deep" Refusal;
    ScopeNotEmpty "scope_not_empty" Refusal;
    PrincipalExists "principal_exists" Refusal;
    PrincipalEnded "principal_ended" Refusal;
    RoleKindMismatch "role_kind_mismatch" Refusal;
    RoleAboveOwn "role_above_own" Refusal;
    LastAdministrator "last_administrator" Refusal;
    PrincipalUnknown "principal_unknown" Refusal;
    WeakKey "weak_key" Refusal;
    KeyIdMismatch "key_id_mismatch" Refusal;
    BadProof "bad_proof" Refusal;
    BadConsent "bad_consent" Refusal;
    KeyEnded "key_ended" Refusal;
    KeyExists "key_exists" Refusal;
    KeyLimit "key_limit" Refusal;
    FromOutOfRange "from_out_of_range" Refusal;
    TokenExists "token_exists" Refusal;
    TokenEnded "token_ended" Refusal;
    TokenLimit "token_limit" Refusal;
    IdMalformed "id_malformed" Refusal;
    HostKeyDisabled "host_key_disabled" Refusal;
    FingerprintMoved "fingerprint_moved" Refusal;
    RangeInvalid "range_invalid" Refusal;
    ClockSuspect "clock_suspect" Error;
    StorageFull "storage_full" Error;
    QueueFull "queue_full" Error;
    OutcomeUnknown "outcome_unknown" Error;
    Stopped "stopped" Error;
    Locked "locked" Error;
    NotALedger "not_a_ledger" Error;
    DirectoryNotEmpty "directory_not_empty" Error;
    NewerFormat "newer_format" Invalid;
    AnchorMissing "anchor_missing" Error;
    AnchorDamaged "anchor_damaged" Error;
    RolledBack "rolled_back" Error;
    LedgerDamaged "ledger_damaged" Error;
    KeyFileMissing "key_file_missing" Error;
    KeyFileReadable "key_file_readable" Error;
    KeyFileInvalid "key_file_invalid" Error;
    PinInvalid "pin_invalid" Invalid;
    NotAnExport "not_an_export" Invalid;
    Io "io" Error;
    Internal "internal" Error;
}

impl Code {
    /// The code of this text.
    pub fn parse(text: &str) -> Option<Self> {
        CODES.iter().copied().find(|code| code.as_str() == text)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
