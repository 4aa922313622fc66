//! Keys made here, requests for certificates, and the check of what came back.
