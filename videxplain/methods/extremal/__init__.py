"""Extremal perturbations of videos: the smallest part of a clip that keeps its class.

2D-EP, 3D-EP and STEP are one search over different terms; conf/method/ declares them.
Li et al., "Towards visually explaining video understanding networks with perturbation", WACV 2021,
https://arxiv.org/abs/2005.00375, after Fong, Patrick and Vedaldi, "Understanding deep networks via
extremal perturbations and smooth masks", ICCV 2019, https://arxiv.org/abs/1910.08485.
"""
