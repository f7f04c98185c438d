//! A site that ran before this program came is taken over as it runs, and given back.

mod scene;
mod whole;
