//! From a job's words to the images that are wanted, checked before anything is asked.

use crate::domain::{Pull, TaskSpec};

use super::{
    Error, ImageWish, Platform, Policy, PullSettings, TaskFile,
    error::{invalid, outside, refused, shown},
    review::image,
};

/// Most images of one task.
const IMAGES_MAX: usize = 8;

/// Returns the images that `task` names, in the order in which they are to be tried.
///
/// # Errors
/// A name, the platform or the file to load is malformed, or the operator's policy does not allow one of them.
pub fn wishes(task: &TaskSpec, policy: &Policy, settings: &PullSettings) -> Result<Vec<ImageWish>, Error> {
    let options = &task.container.pull;
    let names = [&task.container.image].into_iter().chain(&options.fallbacks);
    if options.fallbacks.len() >= IMAGES_MAX {
        return Err(invalid("images", format!("are more than {}", IMAGES_MAX - 1)));
    }
    let platform = options.platform.as_deref().map(str::parse::<Platform>).transpose();
    let platform = platform.map_err(|error| invalid("platform", error.to_string()))?;
    let load = options.load.as_deref().map(|path| file(task, policy, path)).transpose()?;
    let pull = when(task, settings)?;
    let wish = |(at, name): (usize, &String)| {
        let option = if at == 0 { "image".to_owned() } else { format!("images[{}]", at - 1) };
        Ok(ImageWish {
            reference: image(&option, name, policy)?,
            platform: platform.clone(),
            pull,
            // The file holds the image that the job names first.
            load: load.clone().filter(|_| at == 0),
            timeout: options.timeout.unwrap_or(settings.timeout),
            activity_timeout: settings.activity_timeout,
        })
    };
    names.enumerate().map(wish).collect()
}

/// Says when the registry is asked: the job decides, unless the operator wants it asked every time.
fn when(task: &TaskSpec, settings: &PullSettings) -> Result<Pull, Error> {
    let options = &task.container.pull;
    match options.policy.unwrap_or(if options.force { Pull::Always } else { Pull::Missing }) {
        Pull::Never if settings.always => {
            Err(refused("pull_policy \"never\"", "pull.always has the registry decide about every start"))
        }
        Pull::Missing if settings.always => Ok(Pull::Always),
        policy => Ok(policy),
    }
}

fn file(task: &TaskSpec, policy: &Policy, path: &str) -> Result<TaskFile, Error> {
    // An archive can call anything by any name.
    let gates = [("allow_images", !policy.allow_images.is_empty()), ("require_digest", policy.require_digest)];
    if let Some((gate, _)) = gates.into_iter().find(|(_, set)| *set) {
        let gate = format!("container.{gate} is set, and what an archive holds is only called so");
        return Err(refused(format!("load \"{}\"", shown(path)), gate));
    }
    let clean = path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains('\0');
    if !clean || path.len() > 1024 {
        let why = "leaves the task's local directory or is no plain path; give one below it, such as \"image.tar\"";
        return Err(outside(format!("load \"{}\"", shown(path)), why));
    }
    Ok(TaskFile { root: task.task_dir().join("local"), path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::container::fixture;

    #[test]
    fn the_jobs_words_go_before_the_operators() {
        let mut task = fixture::task("a/b/1");
        task.container.pull.fallbacks = vec!["mirror.example/app:1".into()];
        task.container.pull.timeout = Some(Duration::from_secs(7));
        task.container.pull.load = Some("a/b.tar".into());
        task.container.pull.force = true;
        let wishes = wishes(&task, &Policy::default(), &PullSettings::default()).expect("good");
        let names: Vec<String> = wishes.iter().map(|wish| wish.reference.to_string()).collect();
        assert_eq!(names[1], "mirror.example/app:1");
        assert_eq!((wishes[0].timeout, wishes[0].pull), (Duration::from_secs(7), Pull::Always));
        assert!(wishes[0].load.is_some() && wishes[1].load.is_none());
    }

    #[test]
    fn the_operators_list_holds_for_every_image_and_shuts_archives_out() {
        let mut task = fixture::task("a/b/1");
        let policy = Policy { allow_images: vec![task.container.image.clone()], ..Policy::default() };
        let checked = |task: &TaskSpec| wishes(task, &policy, &PullSettings::default());
        assert!(checked(&task).is_ok());
        task.container.pull.load = Some("image.tar".into());
        assert!(matches!(checked(&task), Err(Error::PolicyRefused { .. })));
        task.container.pull.load = None;
        task.container.pull.fallbacks = vec!["mirror.example/app:1".into()];
        assert!(matches!(checked(&task), Err(Error::PolicyRefused { .. })));
    }

    #[test]
    fn an_operator_may_have_the_registry_decide_about_every_start() {
        let mut task = fixture::task("a/b/1");
        let settings = PullSettings { always: true, ..PullSettings::default() };
        assert_eq!(wishes(&task, &Policy::default(), &settings).expect("good")[0].pull, Pull::Always);
        task.container.pull.policy = Some(Pull::Never);
        let error = wishes(&task, &Policy::default(), &settings).expect_err("refused").to_string();
        assert!(error.contains("pull.always"), "{error}");
    }

    #[test]
    fn words_that_make_no_sense_are_refused_with_their_name() {
        let refused = |change: fn(&mut TaskSpec)| {
            let mut task = fixture::task("a/b/1");
            change(&mut task);
            wishes(&task, &Policy::default(), &PullSettings::default()).expect_err("refused").to_string()
        };
        assert!(refused(|task| task.container.pull.platform = Some("Linux".into())).contains("platform"));
        assert!(refused(|task| task.container.pull.fallbacks = vec!["A B".into()]).contains("images[0]"));
        for path in ["../x.tar", "/x.tar", "a//b", "", "a/../b"] {
            let mut task = fixture::task("a/b/1");
            task.container.pull.load = Some(path.into());
            let error = wishes(&task, &Policy::default(), &PullSettings::default()).expect_err("leaves");
            assert!(matches!(error, Error::PathRefused { .. }), "{path}");
        }
    }
}
