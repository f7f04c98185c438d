//! Looking up users and hosts in a program that brings its own C library along.
//!
//! A static glibc still loads the modules that the machine's `nsswitch.conf` names, such as
//! `mdns4_minimal`, `myhostname` or `resolve`. Those are made for that machine's glibc: inside
//! a program with another version the first name that is looked up ends in SIGFPE or SIGABRT.
//! What `files` and `dns` stand for is built in. musl loads nothing.

/// Looks names up in the files below `/etc` and at name servers only, whatever
/// `nsswitch.conf` says. To be called before the first name is looked up.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub fn pin() {
    for database in [c"passwd", c"group", c"initgroups", c"services", c"protocols"] {
        look_in(database, c"files");
    }
    look_in(c"hosts", c"files dns");
}

/// Nothing is to be done for a C library that fits the machine, or that loads no modules.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub const fn pin() {}

#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
#[expect(unsafe_code, reason = "no crate has this function of glibc")]
fn look_in(database: &std::ffi::CStr, places: &std::ffi::CStr) {
    use std::ffi::{c_char, c_int};
    unsafe extern "C" {
        /// `nss.h`; -1 for a database that glibc does not know.
        fn __nss_configure_lookup(database: *const c_char, places: *const c_char) -> c_int;
    }
    // SAFETY: both are C strings that outlive the call, glibc copies what it keeps, and no
    // other thread exists yet.
    unsafe { __nss_configure_lookup(database.as_ptr(), places.as_ptr()) };
}
