"""Attribution methods: frozen hyper-parameters that are called with a classifier and clips."""
