//! The pages of `bg adopt`: a site that somebody set up by hand, taken over as it runs.

use super::Book;
use crate::adopt::scene::Site;

#[test]
fn pages_of_a_site_that_is_adopted_are_as_checked_in() {
    let site = Site::new();
    let (sandbox, before) = (&site.sandbox, site.vhost_text());
    let mut book = Book::default();
    book.page("adopt");
    book.when("a site that runs, and whose bg.toml is written");
    book.types(sandbox, "adopt").assert_code(0);
    book.types(sandbox, "adopt --yes").assert_code(0);
    book.when("it is adopted");
    book.types(sandbox, "adopt --yes");
    book.types(sandbox, "status").assert_code(0);
    book.follows(sandbox, "repair").assert_code(0);
    book.when("the way back");
    book.types(sandbox, "adopt --undo").assert_code(0);
    book.types(sandbox, "adopt --undo --yes").assert_code(0);
    site.assert_untouched(&before);
    book.compare();
}
