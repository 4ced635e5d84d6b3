//! Which shapes are secret? One row a detector, and the index from the first three bytes of a text to the rows.
//!
//! Names are stable: they stand in answers. Rows above win over rows below where both begin at one byte. A `Weak` or
//! `Named` detector knows a secret by what stands around it, and gives way to one that knows it by its own form.

use super::{context, shapes};

/// A kind of secret.
#[derive(Debug)]
pub struct Detector {
    /// Its stable name, as answers show it.
    pub name: &'static str,
    /// What it looks like, in a line.
    pub what: &'static str,
    pub(super) find: Find,
}

/// How a detector knows its secret.
#[derive(Debug)]
pub(super) enum Find {
    /// A prefix at the beginning of a word, and a run of an alphabet of so many characters that ends there.
    Run(&'static [&'static str], Alphabet, usize, usize),
    /// A prefix, and a look at what is around its span.
    Shape(&'static [&'static str], Check),
    /// The same, but it gives way.
    Weak(&'static [&'static str], Check),
    /// A name before `=` or `:`; see `assigned`.
    Named,
}

/// Is it one? Of the whole text, and where the prefix begins and ends.
pub(super) type Check = fn(&[u8], usize, usize) -> bool;

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alphabet {
    /// `A-Z2-7`
    Base32,
    /// `A-Z0-9`
    Capital,
    /// `a-f0-9`
    Hex,
    /// `A-Za-z0-9`
    Alnum,
    /// base64url: alphanumeric, `-`, `_`
    Word,
    /// `Word`, `.` and `=`
    Dotted,
    /// `Word`, `.` and `+`
    Name,
    /// `Word`, `.` and `~`
    Tilde,
    /// alphanumeric, `+`, `/`, `=`
    Base64,
    /// `Base64` and `%`
    Percent,
    /// `Word` and `/`
    Path,
}

impl Alphabet {
    /// Whether a byte is one of its characters.
    pub(super) fn has(self, b: u8) -> bool {
        match self {
            Self::Base32 => matches!(b, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Capital => b.is_ascii_uppercase() || b.is_ascii_digit(),
            Self::Hex => matches!(b, b'a'..=b'f' | b'0'..=b'9'),
            Self::Alnum => b.is_ascii_alphanumeric(),
            Self::Word => b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'),
            Self::Dotted => Self::Word.has(b) || matches!(b, b'.' | b'='),
            Self::Name => Self::Word.has(b) || matches!(b, b'.' | b'+'),
            Self::Tilde => Self::Word.has(b) || matches!(b, b'.' | b'~'),
            Self::Base64 => b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='),
            Self::Percent => Self::Base64.has(b) || b == b'%',
            Self::Path => Self::Word.has(b) || b == b'/',
        }
    }
}

use Alphabet::{Alnum, Base32, Base64, Capital, Dotted, Hex, Path, Percent, Word};
use Find::{Named, Run, Shape, Weak};

const fn row(name: &'static str, what: &'static str, find: Find) -> Detector {
    Detector { name, what, find }
}

/// Every detector, in the order of SPEC.
#[rustfmt::skip]
pub static DETECTORS: &[Detector] = &[
    row("chancery_token", "`chy_<stage>_<id>_<secret>_<check>`", Shape(&["chy_"], shapes::chancery_token)),
    row("chancery_key_file", "`PRIVATE+KEY+…` or `CHANCERY+AUTHOR+KEY+…` with its seed",
        Shape(&["PRIVATE+KEY+", "CHANCERY+AUTHOR+KEY+"], shapes::chancery_key_file)),
    row("gcp_service_account", "`private_key` of a Google service account's JSON, with its PEM block",
        Shape(&["-----BEGIN "], shapes::gcp_service_account)),
    row("private_key_pem", "PEM or PGP block `BEGIN … PRIVATE KEY` with a body",
        Shape(&["-----BEGIN "], shapes::private_key_pem)),
    row("openssh_key_body", "base64 that begins as an OpenSSH private key does",
        Shape(&["b3BlbnNzaC1rZXktdjEA"], shapes::openssh_key_body)),
    row("putty_key", "`PuTTY-User-Key-File-<n>:`", Shape(&["PuTTY-User-Key-File-"], shapes::putty_key)),
    row("age_secret_key", "`AGE-SECRET-KEY-1` and 58 characters", Run(&["AGE-SECRET-KEY-1"], Capital, 58, 58)),
    row("wireguard_key", "`PrivateKey =` or `PresharedKey =` and 32 bytes of base64", Named),
    row("aws_access_key_id", "`AKIA`, `ASIA`, `ABIA` or `ACCA` and 16 characters",
        Run(&["AKIA", "ASIA", "ABIA", "ACCA"], Base32, 16, 16)),
    row("aws_secret_access_key", "`aws_secret_access_key` and the like, with 40 characters of base64", Named),
    row("azure_storage_key", "`AccountKey=` and 64 bytes of base64", Run(&["AccountKey="], Base64, 86, 88)),
    row("azure_sas", "`sig=` of a URL with an HMAC in it", Run(&["?sig=", "&sig="], Percent, 43, 60)),
    row("azure_client_secret", "four characters, `Q~`, 31 to 34 characters",
        Shape(&["Q~"], shapes::azure_client_secret)),
    row("google_api_key", "`AIza` and 35 characters", Run(&["AIza"], Word, 35, 35)),
    row("google_oauth", "`ya29.` access token or `GOCSPX-` client secret", Run(&["ya29.", "GOCSPX-"], Word, 24, 400)),
    row("github_token", "`ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_` and 36 characters or more",
        Run(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], Alnum, 36, 255)),
    row("github_pat", "`github_pat_` and 40 characters or more", Run(&["github_pat_"], Word, 40, 255)),
    row("gitlab_token", "`glpat-`, `gldt-`, `glrt-`, `glptt-` and 20 characters or more",
        Run(&["glpat-", "gldt-", "glrt-", "glptt-"], Word, 20, 300)),
    row("slack_token", "`xoxb-`, `xoxp-`, `xoxa-`, `xoxr-`, `xoxs-` or `xapp-` and 24 characters or more",
        Run(&["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"], Word, 24, 300)),
    row("slack_webhook", "`hooks.slack.com/services/T…`", Run(&["hooks.slack.com/services/T"], Path, 30, 80)),
    row("discord_token", "three parts with dots, as Discord gives them to bots", Shape(&["."], shapes::discord_token)),
    row("discord_webhook", "`/api/webhooks/<id>/<secret>`", Run(&["/api/webhooks/"], Path, 70, 110)),
    row("telegram_bot_token", "8 to 10 digits, `:AA` and 33 characters", Shape(&[":AA"], shapes::telegram_bot_token)),
    row("stripe_key", "`sk_live_`, `rk_live_`, `sk_test_`, `rk_test_` or `whsec_` and 16 characters or more",
        Run(&["sk_live_", "rk_live_", "sk_test_", "rk_test_", "whsec_"], Alnum, 16, 250)),
    row("square_token", "`sq0atp-` or `sq0csp-` and 22 characters or more", Run(&["sq0atp-", "sq0csp-"], Word, 22, 50)),
    row("shopify_token", "`shpat_`, `shpss_`, `shpca_`, `shppa_` and 32 hex",
        Run(&["shpat_", "shpss_", "shpca_", "shppa_"], Hex, 32, 32)),
    row("anthropic_key", "`sk-ant-` and 32 characters or more", Run(&["sk-ant-"], Word, 32, 250)),
    row("openai_project_key", "`sk-proj-`, `sk-svcacct-` or `sk-admin-` and 40 characters or more",
        Run(&["sk-proj-", "sk-svcacct-", "sk-admin-"], Word, 40, 250)),
    row("openai_key", "`sk-` and 32 to 64 letters and digits", Run(&["sk-"], Alnum, 32, 64)),
    row("huggingface_token", "`hf_` and 30 to 40 letters and digits", Run(&["hf_"], Alnum, 30, 40)),
    row("groq_key", "`gsk_` and 48 to 60 letters and digits", Run(&["gsk_"], Alnum, 48, 60)),
    row("nvidia_key", "`nvapi-` and 50 characters or more", Run(&["nvapi-"], Word, 50, 100)),
    row("npm_token", "`npm_` and 36 letters and digits", Run(&["npm_"], Alnum, 36, 36)),
    row("pypi_token", "`pypi-AgE` and 50 characters or more", Run(&["pypi-AgE"], Word, 50, 400)),
    row("rubygems_key", "`rubygems_` and 48 hex", Run(&["rubygems_"], Hex, 48, 48)),
    row("docker_token", "`dckr_pat_` or `dckr_oat_` and 24 characters or more",
        Run(&["dckr_pat_", "dckr_oat_"], Word, 24, 60)),
    row("vault_token", "`hvs.`, `hvb.`, `hvr.` and 24 characters or more",
        Run(&["hvs.", "hvb.", "hvr."], Word, 24, 300)),
    row("vault_legacy_token", "`s.` and 24 letters and digits of all kinds", Shape(&["s."], shapes::vault_legacy_token)),
    row("terraform_token", "14 characters, `.atlasv1.`, 60 characters or more",
        Shape(&[".atlasv1."], shapes::terraform_token)),
    row("pulumi_token", "`pul-` and 40 hex", Run(&["pul-"], Hex, 40, 40)),
    row("digitalocean_token", "`dop_v1_`, `doo_v1_`, `dor_v1_` and 64 hex",
        Run(&["dop_v1_", "doo_v1_", "dor_v1_"], Hex, 64, 64)),
    row("heroku_key", "`HRKU-` and 36 characters or more", Run(&["HRKU-"], Word, 36, 80)),
    row("databricks_token", "`dapi` and 32 hex", Run(&["dapi"], Hex, 32, 32)),
    row("sendgrid_key", "`SG.`, 22 characters, `.`, 43 characters", Shape(&["SG."], shapes::sendgrid_key)),
    row("twilio_key", "`SK` and 32 hex", Run(&["SK"], Hex, 32, 32)),
    row("mailgun_key", "`key-` and 32 hex", Run(&["key-"], Hex, 32, 32)),
    row("postman_key", "`PMAK-` and 59 characters", Run(&["PMAK-"], Word, 59, 59)),
    row("newrelic_key", "`NRAK-` and 27 letters and digits", Run(&["NRAK-"], Capital, 27, 27)),
    row("grafana_token", "`glsa_` or `glc_` and 32 characters or more", Run(&["glsa_", "glc_"], Word, 32, 400)),
    row("sentry_token", "`sntrys_` or `sntryu_` and 40 characters or more", Run(&["sntrys_", "sntryu_"], Dotted, 40, 400)),
    row("linear_key", "`lin_api_` and 32 letters and digits or more", Run(&["lin_api_"], Alnum, 32, 64)),
    row("notion_token", "`ntn_` and 40 letters and digits or more", Run(&["ntn_"], Alnum, 40, 60)),
    row("figma_token", "`figd_` and 36 characters or more", Run(&["figd_"], Word, 36, 80)),
    row("atlassian_token", "`ATATT3x` and 100 characters or more", Run(&["ATATT3x"], Dotted, 100, 300)),
    row("tailscale_key", "`tskey-` and 24 characters or more", Run(&["tskey-"], Word, 24, 100)),
    row("doppler_token", "`dp.pt.`, `dp.st.` or `dp.ct.` and 40 characters or more",
        Run(&["dp.pt.", "dp.st.", "dp.ct."], Dotted, 40, 80)),
    row("jwt", "three base64url parts of which two begin with `eyJ`", Shape(&["eyJ"], shapes::jwt)),
    row("database_dsn", "database URL, or `host=…` list, with a password in it", Weak(&["://"], context::database_url)),
    row("url_password", "`scheme://user:password@host`", Weak(&["://"], context::url_password)),
    row("authorization", "`Authorization:` with a scheme and a value, or a bearer value alone",
        Weak(&["Bearer ", "bearer "], context::bearer)),
    row("session_cookie", "`Cookie:` or `Set-Cookie:` with a long value, or a session cookie by its name", Named),
    row("secret_assignment", "name that ends as `password`, `secret`, `api_key`, `token` do, `=` or `:`, and a value",
        Weak(&["--"], context::flag)),
    row("secret_member", "the same names as member of JSON that stands in a string, or of the document", Named),
];

const fn prefixes(find: &Find) -> &'static [&'static str] {
    match find {
        Run(prefixes, ..) | Shape(prefixes, _) | Weak(prefixes, _) => prefixes,
        Named => &[],
    }
}

const COUNT: usize = {
    let (mut count, mut i) = (0, 0);
    while i < DETECTORS.len() {
        count += prefixes(&DETECTORS[i].find).len();
        i += 1;
    }
    count
};

/// A bit for each prefix.
pub(super) type Bits = u128;
const _: () = assert!(COUNT <= Bits::BITS as usize);

/// Each prefix, and its detector.
pub(super) static PREFIXES: [(&str, &Detector); COUNT] = {
    let mut all = [("", &DETECTORS[0]); COUNT];
    let (mut count, mut i) = (0, 0);
    while i < DETECTORS.len() {
        let own = prefixes(&DETECTORS[i].find);
        let mut j = 0;
        while j < own.len() {
            all[count] = (own[j], &DETECTORS[i]);
            (count, j) = (count + 1, j + 1);
        }
        i += 1;
    }
    all
};

/// Which prefixes may have this byte at this place; all that are shorter, too.
const fn index(place: usize) -> [Bits; 256] {
    let mut bits = [0; 256];
    let mut i = 0;
    while i < COUNT {
        let prefix = PREFIXES[i].0.as_bytes();
        let mut b = 0;
        while b < 256 {
            if place >= prefix.len() || prefix[place] as usize == b {
                bits[b] |= 1 << i;
            }
            b += 1;
        }
        i += 1;
    }
    bits
}

/// The prefixes that may begin here, by the first, second and third byte.
pub(super) static INDEX: [[Bits; 256]; 3] = [index(0), index(1), index(2)];
