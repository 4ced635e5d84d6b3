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
    /// The gate's wait for a second principal; recorded.
    Hold,
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
    SecretInArguments "secret_in_arguments" Invalid;
    ConfigInvalid "config_invalid" Invalid;
    HeaderMalformed "header_malformed" Invalid;
    IdempotencyKeyRequired "idempotency_key_required" Invalid;
    MethodNotAllowed "method_not_allowed" Invalid;
    UnsupportedMediaType "unsupported_media_type" Invalid;
    BodyTooLarge "body_too_large" Invalid;
    UrlTooLong "url_too_long" Invalid;
    RequestTimeout "request_timeout" Invalid;
    BadCursor "bad_cursor" Invalid;
    Unauthenticated "unauthenticated" Conflict;
    IdempotencyConflict "idempotency_conflict" Conflict;
    EpochChanged "epoch_changed" Conflict;
    UnknownKey "unknown_key" Conflict;
    RequestExpired "request_expired" Conflict;
    WrongSeq "wrong_seq" Conflict;
    BadSignature "bad_signature" Conflict;
    OverQuota "over_quota" Conflict;
    NothingToRecord "nothing_to_record" Conflict;
    TooManyRequests "too_many_requests" Conflict;
    ClientAhead "client_ahead" Conflict;
    KillSwitch "kill_switch" Denial;
    PrincipalNotActive "principal_not_active" Denial;
    ScopeForeign "scope_foreign" Denial;
    ScopeClosed "scope_closed" Denial;
    RoleInsufficient "role_insufficient" Denial;
    CapabilityDisabled "capability_disabled" Denial;
    SwitchOff "switch_off" Denial;
    ProductionRefused "production_refused" Denial;
    LiveGateClosed "live_gate_closed" Denial;
    HostKeyUnverified "host_key_unverified" Denial;
    GrantRequired "grant_required" Denial;
    GrantUnknown "grant_unknown" Denial;
    GrantExpired "grant_expired" Denial;
    GrantRevoked "grant_revoked" Denial;
    GrantConsumed "grant_consumed" Denial;
    GrantScope "grant_scope" Denial;
    GrantJob "grant_job" Denial;
    GrantWorker "grant_worker" Denial;
    GrantUse "grant_use" Denial;
    GrantReference "grant_reference" Denial;
    StaleFence "stale_fence" Denial;
    ClaimExpired "claim_expired" Denial;
    LeaseOver "lease_over" Denial;
    AttestationRequired "attestation_required" Denial;
    SeparationRequired "separation_required" Denial;
    NoRoute "no_route" Denial;
    HoldDenied "hold_denied" Denial;
    HoldExpired "hold_expired" Denial;
    HoldCancelled "hold_cancelled" Denial;
    ConfirmationRequired "confirmation_required" Hold;
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
    RoleBuiltIn "role_built_in" Refusal;
    RoleUnknown "role_unknown" Refusal;
    RoleAssigned "role_assigned" Refusal;
    RoleLimit "role_limit" Refusal;
    CapabilityExists "capability_exists" Refusal;
    CapabilityUnknown "capability_unknown" Refusal;
    ScopeNotRoot "scope_not_root" Refusal;
    ScopeNotBelow "scope_not_below" Refusal;
    CommandEmpty "command_empty" Refusal;
    MarkLimit "mark_limit" Refusal;
    HoldLimit "hold_limit" Refusal;
    HoldOver "hold_over" Refusal;
    NotEligible "not_eligible" Refusal;
    WorkerRevoked "worker_revoked" Refusal;
    WorkerWrong "worker_wrong" Refusal;
    WorkerScopeWrong "worker_scope_wrong" Refusal;
    WorkerCapabilityMissing "worker_capability_missing" Refusal;
    WorkerDisabled "worker_disabled" Refusal;
    WorkerStale "worker_stale" Refusal;
    WorkerUnhealthy "worker_unhealthy" Refusal;
    WorkerUntrusted "worker_untrusted" Refusal;
    StageOther "stage_other" Refusal;
    TargetRequired "target_required" Refusal;
    CommandNotAllowlisted "command_not_allowlisted" Refusal;
    JobExists "job_exists" Refusal;
    JobOver "job_over" Refusal;
    JobUnknown "job_unknown" Refusal;
    LeaseOpen "lease_open" Refusal;
    ResultRejected "result_rejected" Refusal;
    ClaimHeld "claim_held" Refusal;
    GrantOver "grant_over" Refusal;
    GrantExists "grant_exists" Refusal;
    GrantLimit "grant_limit" Refusal;
    UseMismatch "use_mismatch" Refusal;
    LeaseExists "lease_exists" Refusal;
    LeaseLimit "lease_limit" Refusal;
    LeaseEnded "lease_ended" Refusal;
    FingerprintMalformed "fingerprint_malformed" Refusal;
    TranscriptFull "transcript_full" Refusal;
    NothingToRelease "nothing_to_release" Refusal;
    Quarantined "quarantined" Refusal;
    ClockSuspect "clock_suspect" Error;
    StorageFull "storage_full" Error;
    WalFull "wal_full" Error;
    QueueFull "queue_full" Error;
    OutcomeUnknown "outcome_unknown" Error;
    Stopped "stopped" Error;
    NotReady "not_ready" Error;
    AnswerTimeout "answer_timeout" Error;
    Locked "locked" Error;
    NotALedger "not_a_ledger" Error;
    CreationUnfinished "creation_unfinished" Error;
    DirectoryNotEmpty "directory_not_empty" Error;
    NewerFormat "newer_format" Invalid;
    AnchorMissing "anchor_missing" Error;
    AnchorDamaged "anchor_damaged" Error;
    TailUnknown "tail_unknown" Error;
    RolledBack "rolled_back" Error;
    LedgerDamaged "ledger_damaged" Error;
    ViewsDamaged "views_damaged" Error;
    ViewBuilding "view_building" Error;
    Behind "behind" Error;
    KeyFileMissing "key_file_missing" Error;
    KeyFileReadable "key_file_readable" Error;
    KeyFileInvalid "key_file_invalid" Error;
    PinInvalid "pin_invalid" Invalid;
    PageTokenInvalid "page_token_invalid" Invalid;
    Ambiguous "ambiguous" Invalid;
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
