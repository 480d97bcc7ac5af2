use crate::probes::Probes;

#[test]
fn it_is_decided_as_soon_as_it_is_certain() {
    let probes = Probes::calls(5).may_fail(2);
    assert!(!probes.have_failed(2) && probes.have_failed(3));
    assert!(!probes.have_passed(2) && probes.have_passed(3));
}

#[test]
fn at_least_one_has_to_pass() {
    for probes in [Probes::calls(0).may_fail(9), Probes::calls(1).may_fail(1)] {
        assert!(!probes.have_failed(0) && probes.have_failed(1));
        assert!(!probes.have_passed(0) && probes.have_passed(1));
    }
}
