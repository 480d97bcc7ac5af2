mod course;
mod verdict;
